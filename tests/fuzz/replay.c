/* A main for builds without libFuzzer: runs the target once over each file named, and over each file of each
 * folder named.  So a corpus is an ordinary test of every build. */
#include "fuzz.h"

#include <dirent.h>
#include <sys/stat.h>

#define INPUT_MAX 1048576
#define FILE_MAX  4096

static unsigned run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        perror(path);
        exit(2);
    }
    uint8_t *bytes = fuzz_block(INPUT_MAX);
    size_t n = fread(bytes, 1, INPUT_MAX, f);
    (void)fclose(f);
    uint8_t *exact = fuzz_copy(bytes, n);
    free(bytes);
    fuzz_tell("%s: %zu bytes", path, n);
    (void)LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    return 1;
}

static unsigned run_folder(const char *path)
{
    struct dirent **names = NULL;
    unsigned files = 0;
    int n = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char file[FILE_MAX];
        bool is_hidden = names[i]->d_name[0] == '.';
        int len = snprintf(file, sizeof file, "%s/%s", path, names[i]->d_name);
        if (!is_hidden && len > 0 && (size_t)len < sizeof file)
            files += run_file(file);
        free(names[i]);
    }
    free(names);
    return files;
}

int main(int argc, char **argv)
{
    unsigned files = 0;
    for (int i = 1; i < argc; i++) {
        struct stat st;
        bool is_folder = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode);
        files += is_folder ? run_folder(argv[i]) : run_file(argv[i]);
    }
    (void)printf("%u inputs\n", files);
    return files > 0 ? 0 : 1;
}

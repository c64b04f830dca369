/* sampan stat: shows the counters of a running gateway, once or again and again.  Reads the admin socket
 * only. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "adminask.h"
#include "args.h"
#include "cmd.h"
#include "paths.h"

#define PROGRAM "sampan stat"

/* Lines "name value" as one JSON object; names are plain words, values are digits. */
static void print_json(const char *answer)
{
    const char *separator = "{";
    for (const char *line = answer; *line != '\0';) {
        size_t len = strcspn(line, "\n"), name_len = strcspn(line, " \n");
        if (name_len < len)
            (void)printf("%s\"%.*s\":%.*s", separator, (int)name_len, line, (int)(len - name_len - 1),
                         line + name_len + 1);
        separator = ",";
        line += len + (line[len] == '\n');
    }
    (void)printf("}\n");
}

int sp_cmd_stat(int argc, char **argv)
{
    bool json = false;
    uint64_t watch_s = 0;
    const char *admin = NULL;
    char standard[SP_FILES_PATH_MAX], answer[SP_ADMINASK_ANSWER_MAX];
    struct sp_trouble t;
    const struct sp_args_opt opts[] = {
        {.name = "--json", .flag = &json, .help = "one JSON object a line"},
        {.name = "--watch",
         .value = "SEC",
         .number = &watch_s,
         .min = 1,
         .max = 86400,
         .help = "again every SEC seconds"},
        {.name = "--admin", .value = "SOCKET", .text = &admin, .help = "admin socket of the gateway"},
    };
    const struct sp_args args = {
        .program = PROGRAM,
        .version = SAMPAN_VERSION,
        .about = "Shows the counters of a running gateway as lines \"name value\".",
        .opts = opts,
        .opts_n = sizeof opts / sizeof opts[0],
    };
    int code = sp_args_parse(&args, argc, argv, NULL);
    if (code >= 0)
        return code;
    if (admin == NULL && sp_paths_admin(standard, sizeof standard, &t) != 0)
        return sp_trouble_print(&t, PROGRAM);
    for (;;) {
        if (sp_adminask(admin != NULL ? admin : standard, "stat\n", answer, sizeof answer, &t) != 0)
            return sp_trouble_print(&t, PROGRAM);
        if (json)
            print_json(answer);
        else
            (void)fputs(answer, stdout);
        if (fflush(stdout) != 0)
            return SP_EXIT_IO;
        if (watch_s == 0)
            return SP_EXIT_OK;
        struct timespec pause = {.tv_sec = (time_t)watch_s};
        (void)nanosleep(&pause, NULL);
        if (!json)
            (void)printf("\n");
    }
}

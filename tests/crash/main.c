/* crash_store: the store's crash proof (docs/crash-proof.md). */
#include "crash_replay.h"
#include "crash_errors.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    uint64_t n=2000, seed=1, op=UINT64_MAX; int mode=0; uint64_t errors=0;
    for(int i=1;i+1<argc;i+=2){ if(!strcmp(argv[i],"--images")) n=strtoull(argv[i+1],0,10); else if(!strcmp(argv[i],"--seed")) seed=strtoull(argv[i+1],0,10); else if(!strcmp(argv[i],"--op")) op=strtoull(argv[i+1],0,10);else if(!strcmp(argv[i],"--errors")) errors=strtoull(argv[i+1],0,10); else mode=(int)strtoull(argv[i+1],0,10);}
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 18);
    static struct crash_run run;
    run=(struct crash_run){.only_op=op,.images_max=n,.found_max=mode?100000:5,.mode=(enum crash_mode)mode,.forks=mode>0};
    snprintf(run.dir,sizeof run.dir,"/dev/shm/crash-XXXXXX"); if(!mkdtemp(run.dir)) return 2;
    if(errors){ static struct crash_errors e; e=(struct crash_errors){.calls=errors,.parts=1,.seed=seed}; snprintf(e.dir,sizeof e.dir,"%s",run.dir); if(op!=UINT64_MAX){e.part=op;e.calls=op+1;} crash_errors_each(&e);
     printf("runs %"PRIu64" met %"PRIu64" cuts %"PRIu64" findings %"PRIu64" confirms %"PRIu64" ok %"PRIu64"\n",e.runs,e.met,e.cuts,e.findings,e.confirms,e.confirms_ok); return e.findings>0;}
    uint64_t s=seed; for(;run.images<n && run.lost+run.corrupt<run.found_max && (op==UINT64_MAX || s==seed);s++) crash_replay_episode(&run,s);
    printf("%"PRIu64" episodes %"PRIu64" lives %"PRIu64" images, %"PRIu64" operations, lost %"PRIu64", corrupt %"PRIu64" signals %"PRIu64" print %"PRIx64"\n",s-seed,run.lives,run.images,run.operations,run.lost,run.corrupt,run.signals,run.log_print);
    rmdir(run.dir);
    return run.lost+run.corrupt>0;
}

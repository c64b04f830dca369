/* sampan-drop as a function. */
#ifndef SP_DROP_H
#define SP_DROP_H

/* Runs the tool as its command line says, until a signal ends it.  Writes to stdout (--help, --version) and
 * stderr. The exit code. */
int sp_drop_run(int argc, char **argv);

#endif

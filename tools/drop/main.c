/* sampan-drop: a bad network in front of any UDP service. */
#include "drop.h"

int main(int argc, char **argv)
{
    return sp_drop_run(argc, argv);
}

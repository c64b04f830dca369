/* Names and texts of errors, from the one table of err.h. */
#include <sampan/err.h>

const char *sp_err_name(int err)
{
    switch (err) {
#define NAME_CASE(name, number, text)                                                                        \
    case -(number):                                                                                          \
        return "SP_" #name;
        SP_ERRORS(NAME_CASE)
#undef NAME_CASE
    case SP_OK:
        return "SP_OK";
    default:
        return "unknown";
    }
}

const char *sp_err_text(int err)
{
    switch (err) {
#define TEXT_CASE(name, number, text)                                                                        \
    case -(number):                                                                                          \
        return text;
        SP_ERRORS(TEXT_CASE)
#undef TEXT_CASE
    case SP_OK:
        return "no error";
    default:
        return "an error that this version does not know";
    }
}

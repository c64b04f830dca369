/* The program whose map llvm-cov reads: all of the libraries and nothing else, so that a function has one
 * record, however many tests contain it. */
int main(void)
{
    return 0;
}

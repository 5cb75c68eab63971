// The least program there is: linked statically, it opens no library.
int main(void) { return 0; }

"""What all tests share."""

import signal

# A runner started in the background of a shell ignores Ctrl-C, and so would every program that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

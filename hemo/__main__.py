"""`python -m hemo` is the command `hemo`."""

import signal

# Until the command line is there to say so, Ctrl-C ends this as it ends any program, without a traceback.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from hemo.cli import main

if __name__ == "__main__":
    main(prog_name="hemo")

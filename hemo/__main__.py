"""`python -m hemo` is the command `hemo`."""

import gc
import signal

# Python searches for garbage after every 700 objects; importing MLflow and TensorFlow alone makes half a
# million, none of which is any. A tenth of a short command's time.
gc.set_threshold(10_000)

# Until the command line is there to say so, Ctrl-C ends this as it ends any program, without a traceback.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from hemo.cli import main

if __name__ == "__main__":
    main(prog_name="hemo")

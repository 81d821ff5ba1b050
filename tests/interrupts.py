"""Ways to end a search from its progress callback."""

import os
import signal


class Stopper:
    """A progress callback that ends a search once proposals have been made."""

    def __init__(self, stop):
        self.stop, self.stopped = stop, False

    def __call__(self, share, best):
        if share > 0 and not self.stopped:
            self.stopped = True
            self.stop()


def raise_interrupt():
    raise KeyboardInterrupt


def press_ctrl_c():
    # A shell's background jobs ignore the signal: have it taken as on a terminal.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.kill(os.getpid(), signal.SIGINT)

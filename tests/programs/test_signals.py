"""That programs are tried with the signals that an operator's shell gives them."""

import subprocess
import sys

SHOWN = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"


def test_a_program_hears_ctrl_c_though_the_tests_run_in_the_background() -> None:
    done = subprocess.run([sys.executable, "-c", SHOWN], capture_output=True, text=True, check=True)

    assert done.stdout == "True\n"

"""The exit codes of the commands; each command's help explains them."""

from enum import IntEnum


class ExitCode(IntEnum):
    DONE = 0
    # refused, or something differs or does not add up
    REFUSED = 1
    # the command line or a setting
    WRONG = 2
    UNREACHABLE = 3
    # not finished yet: no result so far, or messages wait
    WAITING = 4

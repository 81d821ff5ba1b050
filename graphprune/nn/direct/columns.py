"""Columns of a table of steps, and kinds of steps: what kernels and their callers agree on.

Each step is a row of int64. Places are floats from the start of the workspace to the first
pixel of a value's first plane; a stride is the distance of planes, a pitch that of rows.
"""

KIND, CLIP = 0, 1
SOURCE, SOURCE_STRIDE, SOURCE_PITCH = 2, 3, 4
TARGET, TARGET_STRIDE, TARGET_PITCH, TARGET_MARGIN = 5, 6, 7, 8
RESIDUAL = 9  # place, or -1
CHANNELS, HEIGHT, WIDTH = 10, 11, 12  # of the result
FROM_CHANNELS, FROM_HEIGHT, FROM_WIDTH = 13, 14, 15  # of what is read
GROUPS, FAN_IN, GROUP_WIDTH, TAPS = 16, 17, 18, 19
WEIGHTS, BIASES = 20, 21  # positions in the constants
CHANNEL_OFFSETS, TAP_OFFSETS, INPUTS = 22, 23, 24  # positions in the table
LINES, ROWS = 25, 26  # lines a plane is computed in; most output channels in a block
KERNEL_H, KERNEL_W, STRIDE_H, STRIDE_W, PADDING_H, PADDING_W, DILATION_H, DILATION_W = range(
    27, 35
)
FRONT = 35
SOURCE_VALUE, TARGET_VALUE, RESIDUAL_VALUE = 36, 37, 38  # numbers of values, for the twin
COLUMNS = 39

PACK, UNPACK, CONVOLVE, SPLIT, MAXIMUM, MEAN, AFFINE, PICK = range(8)

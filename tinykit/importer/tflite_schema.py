# SPDX-License-Identifier: Apache-2.0
"""The part of TFLite's public schema (version 3) that is read, as data for `flatbuffer.read`."""

from __future__ import annotations

from tinykit.importer.flatbuffer import Schema

IDENTIFIER = b"TFL3"

SCHEMA: Schema = {
    "Model": (
        "version: uint32",
        "operator_codes: [OperatorCode]",
        "subgraphs: [SubGraph]",
        "description: string",
        "buffers: [Buffer]",
    ),
    "OperatorCode": (
        "deprecated_builtin_code: int8",
        "custom_code: string",
        "version: int32 = 1",
        "builtin_code: int32",
    ),
    "SubGraph": (
        "tensors: [Tensor]",
        "inputs: [int32]",
        "outputs: [int32]",
        "operators: [Operator]",
        "name: string",
    ),
    "Tensor": (
        "shape: [int32]",
        "type: int8",
        "buffer: uint32",
        "name: string",
        "quantization: Quantization",
        "is_variable: bool",
        "sparsity: Sparsity",
        "shape_signature: [int32]",
    ),
    "Quantization": (
        "",
        "",
        "scale: [float32]",
        "zero_point: [int64]",
        "details_type: uint8",
        "",
        "quantized_dimension: int32",
    ),
    "Sparsity": (),
    "Operator": (
        "opcode_index: uint32",
        "inputs: [int32]",
        "outputs: [int32]",
        "builtin_options_type: uint8",
        "builtin_options: union options",
        "",
        "",
        "",
        "intermediates: [int32]",
    ),
    "Buffer": ("data: [uint8]", "offset: uint64", "size: uint64"),
    "Conv2DOptions": (
        "padding: int8",
        "stride_w: int32",
        "stride_h: int32",
        "fused_activation: int8",
        "dilation_w: int32 = 1",
        "dilation_h: int32 = 1",
    ),
    "DepthwiseConv2DOptions": (
        "padding: int8",
        "stride_w: int32",
        "stride_h: int32",
        "depth_multiplier: int32",
        "fused_activation: int8",
        "dilation_w: int32 = 1",
        "dilation_h: int32 = 1",
    ),
    "Pool2DOptions": (
        "padding: int8",
        "stride_w: int32",
        "stride_h: int32",
        "filter_w: int32",
        "filter_h: int32",
        "fused_activation: int8",
    ),
    "FullyConnectedOptions": (
        "fused_activation: int8",
        "weights_format: int8",
        "keep_num_dims: bool",
    ),
    "SoftmaxOptions": ("beta: float32",),
    "ConcatenationOptions": ("axis: int32", "fused_activation: int8"),
    "AddOptions": ("fused_activation: int8",),
    "SubOptions": ("fused_activation: int8",),
    "MulOptions": ("fused_activation: int8",),
    "ReshapeOptions": ("new_shape: [int32]",),
    "SqueezeOptions": ("squeeze_dims: [int32]",),
    "ReducerOptions": ("keep_dims: bool",),
    "LeakyReluOptions": ("alpha: float32",),
    "StridedSliceOptions": (
        "begin_mask: int32",
        "end_mask: int32",
        "ellipsis_mask: int32",
        "new_axis_mask: int32",
        "shrink_axis_mask: int32",
        "offset: bool",
    ),
    "UnidirectionalSequenceLSTMOptions": (
        "fused_activation: int8",
        "cell_clip: float32",
        "proj_clip: float32",
        "time_major: bool",
        "asymmetric_quantize_inputs: bool",
        "diagonal_recurrent_tensors: bool",
    ),
    "ResizeNearestNeighborOptions": ("align_corners: bool", "half_pixel_centers: bool"),
}
"""Tables and their fields; two slots of a union are its type and its content."""

PADDINGS = ("SAME", "VALID")
ACTIVATIONS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")
DTYPES = {
    0: "float32",
    1: "float16",
    2: "int32",
    3: "uint8",
    4: "int64",
    6: "bool",
    7: "int16",
    9: "int8",
    10: "float64",
    17: "int4",
}
"""NumPy's names of the types that a tensor may have."""
OPTIONS_OF = {
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "SOFTMAX": "SoftmaxOptions",
    "CONCATENATION": "ConcatenationOptions",
    "ADD": "AddOptions",
    "SUB": "SubOptions",
    "MUL": "MulOptions",
    "MEAN": "ReducerOptions",
    "LEAKY_RELU": "LeakyReluOptions",
    "STRIDED_SLICE": "StridedSliceOptions",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTMOptions",
    "RESIZE_NEAREST_NEIGHBOR": "ResizeNearestNeighborOptions",
}
"""The options that each kind of operator must have."""

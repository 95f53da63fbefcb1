"""Writes ONNX graphs as one writes numpy: operators on a `Value` add a node to its graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from siamtrack.errors import needs

try:
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ImportError as error:
    raise needs("torch", "export needs the package onnx") from error

OPSET, IR_VERSION = 17, 8
"""What ONNX Runtime 1.14 reads already."""

DTYPES = {
    "float64": TensorProto.DOUBLE,
    "float32": TensorProto.FLOAT,
    "int64": TensorProto.INT64,
    "int32": TensorProto.INT32,
    "uint8": TensorProto.UINT8,
    "bool": TensorProto.BOOL,
}

Real: TypeAlias = Literal["float64", "float32"]

Operand: TypeAlias = "Value | float | Sequence[float] | Sequence[Sequence[float]]"


class Value:
    """A tensor that a graph will compute. Numbers beside one become constants of its dtype.

    Attributes:
        graph: that computes it. name: there. dtype: of `DTYPES`; "real" is the graph's own.
    """

    def __init__(self, graph: Graph, name: str, dtype: str) -> None:
        self.graph, self.name, self.dtype = graph, name, graph.dtype(dtype)

    def __add__(self, other: Operand) -> Value:
        return self._with("Add", other)

    def __sub__(self, other: Operand) -> Value:
        return self._with("Sub", other)

    def __rsub__(self, other: Operand) -> Value:
        return self.like(other) - self

    def __mul__(self, other: Operand) -> Value:
        return self._with("Mul", other)

    __radd__, __rmul__ = __add__, __mul__

    def __truediv__(self, other: Operand) -> Value:
        return self._with("Div", other)

    def __rtruediv__(self, other: Operand) -> Value:
        return self.like(other) / self

    def __lt__(self, other: Operand) -> Value:
        return self._with("Less", other, "bool")

    def __le__(self, other: Operand) -> Value:
        return self._with("LessOrEqual", other, "bool")

    def __gt__(self, other: Operand) -> Value:
        return self._with("Greater", other, "bool")

    def __ge__(self, other: Operand) -> Value:
        return self._with("GreaterOrEqual", other, "bool")

    def __and__(self, other: Operand) -> Value:
        return self._with("And", other)

    def __or__(self, other: Operand) -> Value:
        return self._with("Or", other)

    def __invert__(self) -> Value:
        return self.op("Not")

    def is_(self, other: Operand) -> Value:
        """Where both are equal."""
        return self._with("Equal", other, "bool")

    def op(self, name: str, *inputs: Value, dtype: str | None = None, **attributes: Any) -> Value:
        """An operator of ONNX with this value as its first input. Args: dtype: of the output, if it is another one."""
        return self.graph.node(name, [self, *inputs], [dtype or self.dtype], **attributes)[0]

    def to(self, dtype: str) -> Value:
        """The same numbers in another dtype."""
        dtype = self.graph.dtype(dtype)
        return self if dtype == self.dtype else self.op("Cast", dtype=dtype, to=DTYPES[dtype])

    def like(self, number: Operand) -> Value:
        """A constant of this dtype; a value as it is."""
        return number if isinstance(number, Value) else self.graph.constant(number, self.dtype)

    def at_least(self, other: Operand) -> Value:
        """The larger of both, element by element."""
        return self._with("Max", other)

    def at_most(self, other: Operand) -> Value:
        """The smaller of both, element by element."""
        return self._with("Min", other)

    def reshape(self, *shape: int | Value) -> Value:
        """In another shape, whose lengths are numbers or values of shape (1,); -1 for what is left."""
        lengths = [each if isinstance(each, Value) else self.graph.constant([each]) for each in shape]
        return self.op("Reshape", join(lengths))

    def sum(self, *axes: int) -> Value:
        """Sum along axes, which are kept with length 1."""
        return self.op("ReduceSum", self.graph.constant(axes), keepdims=1)

    def take(self, index: Value, axis: int = 0) -> Value:
        """The items of an axis with these numbers."""
        return self.op("Gather", index, axis=axis)

    def between(self, begin: Value, end: Value, *axes: int) -> Value:
        """From `begin` to before `end` along axes; one number an axis."""
        return self.op("Slice", begin, end, self.graph.constant(axes))

    def split(self, lengths: Sequence[int], axis: int = 0) -> list[Value]:
        """Parts of these lengths."""
        sizes = self.graph.constant(lengths)
        return self.graph.node("Split", [self, sizes], [self.dtype] * len(lengths), axis=axis)

    def _with(self, name: str, other: Operand, dtype: str | None = None) -> Value:
        return self.op(name, self.like(other), dtype=dtype)


def join(parts: Sequence[Value], axis: int = 0) -> Value:
    """Values one after the other."""
    return parts[0].op("Concat", *parts[1:], axis=axis)


def where(condition: Value, yes: Operand, no: Operand) -> Value:
    """One or the other, element by element; of two numbers real."""
    dtype = next((each.dtype for each in (yes, no) if isinstance(each, Value)), "real")
    chosen = [each if isinstance(each, Value) else condition.graph.constant(each, dtype) for each in (yes, no)]
    return condition.graph.node("Where", [condition, *chosen], [dtype])[0]


class Graph:
    """A graph that is being written. Its nodes are named t0, t1 and so on; those of included graphs keep their names.

    Args:
        real: what the dtype "real" is in it.
    """

    def __init__(self, real: Real = "float64") -> None:
        self._real = real
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._weights: dict[str, onnx.TensorProto] = {}
        self._constants: dict[tuple[str, tuple[int, ...], bytes], Value] = {}
        self._names = 0
        self._own_nodes = 0

    def input(self, name: str, dtype: str, shape: Sequence[int | str]) -> Value:
        """An input; names in its shape stand for free lengths."""
        value = Value(self, name, dtype)
        self._inputs.append(helper.make_tensor_value_info(name, DTYPES[value.dtype], shape))
        return value

    def output(self, name: str, value: Value, shape: Sequence[int | str]) -> None:
        """Give a value out under a name."""
        self._nodes.append(helper.make_node("Identity", [value.name], [name], name=self._node_name()))
        self._outputs.append(helper.make_tensor_value_info(name, DTYPES[value.dtype], shape))

    def constant(self, numbers: ArrayLike, dtype: str = "int64") -> Value:
        """A tensor of given numbers; equal ones are kept once."""
        array = np.array(numbers, self.dtype(dtype))
        key = (str(array.dtype), array.shape, array.tobytes())
        if key not in self._constants:
            name = self._new_name("constant")
            self._weights[name] = numpy_helper.from_array(array, name)
            self._constants[key] = Value(self, name, str(array.dtype))
        return self._constants[key]

    def dtype(self, name: str) -> str:
        """What a dtype is in this graph: "real" is one of the others."""
        return self._real if name == "real" else name

    def node(self, op: str, inputs: Sequence[Value], dtypes: Sequence[str], **attributes: Any) -> list[Value]:
        """An operator of ONNX. Args: dtypes: of its outputs."""
        outputs = [Value(self, self._new_name(op), dtype) for dtype in dtypes]
        names = [value.name for value in inputs], [value.name for value in outputs]
        self._nodes.append(helper.make_node(op, *names, name=self._node_name(), **attributes))
        return outputs

    def include(self, model: bytes, inputs: Mapping[str, Value]) -> list[Value]:
        """The outputs of another graph on these inputs. Its initializers keep their names: two graphs share theirs."""
        graph = onnx.load_from_string(model).graph
        self._weights |= {tensor.name: tensor for tensor in graph.initializer}
        names = {"": "", **{tensor.name: tensor.name for tensor in graph.initializer}}
        names |= {name: value.name for name, value in inputs.items()}
        for node in graph.node:
            if node.op_type == "Constant":
                array = numpy_helper.to_array(node.attribute[0].t)
                names[node.output[0]] = self.constant(array, str(array.dtype)).name
                continue
            names |= {name: self._new_name(node.op_type) for name in node.output}
            read, made = ([names[name] for name in each] for each in (node.input, node.output))
            copy = helper.make_node(node.op_type, read, made, name=node.name)
            copy.attribute.extend(node.attribute)
            self._nodes.append(copy)
        dtypes = {code: name for name, code in DTYPES.items()}
        return [Value(self, names[each.name], dtypes[each.type.tensor_type.elem_type]) for each in graph.output]

    def choose(self, condition: Value, yes: Callable[[], Sequence[Value]], no: Callable[[], Sequence[Value]]) -> list[Value]:
        """What one of two branches gives; the other one is not computed.

        Args:
            condition: of shape (1,). yes, no: write a branch, of any values that there are.
        """
        branches, dtypes = {}, [""]
        for name, write in (("then_branch", yes), ("else_branch", no)):
            around, self._nodes = self._nodes, []
            given = [value.op("Identity") for value in write()]  # a branch gives what it made itself
            dtypes = [value.dtype for value in given]
            types = [helper.make_tensor_type_proto(DTYPES[value.dtype], None) for value in given]
            outputs = [helper.make_value_info(value.name, type_) for value, type_ in zip(given, types, strict=True)]
            branches[name] = helper.make_graph(self._nodes, name, [], outputs)
            self._nodes = around
        return self.node("If", [condition], dtypes, **branches)

    def to_bytes(self) -> bytes:
        """The graph as an ONNX file."""
        graph = helper.make_graph(self._nodes, "siamtrack", self._inputs, self._outputs, list(self._weights.values()))
        versions = {"opset_imports": [helper.make_opsetid("", OPSET)], "ir_version": IR_VERSION}
        return bytes(helper.make_model(graph, producer_name="siamtrack", **versions).SerializeToString())

    def _node_name(self) -> str:
        self._own_nodes += 1
        return f"t{self._own_nodes - 1}"

    def _new_name(self, op: str) -> str:
        self._names += 1
        return f"{op}_{self._names}"

"""Communities in the graph of nearest neighbours: groups whose number nobody has to know."""

from collections.abc import Sequence
from typing import NamedTuple

import graspologic_native
import numpy as np
from numpy.typing import NDArray

from llm.discovery.vectors import Labels, Matrix

NEIGHBOURS = 10
SHARPNESS = 3
"""The power of a cosine that is an edge's weight: 0.005 of adjusted mutual information on Banking77 over the cosine."""
ITERATIONS = 5
ROWS = 500
"""Rows of similarities at a time: with 20,000 vectors 40 MB."""

Places = NDArray[np.int64]
Weights = NDArray[np.float32]


class Graph(NamedTuple):
    """`size` nodes, and edges between `ones` and `others` with positive weights, each pair once."""

    size: int
    ones: Places
    others: Places
    weights: Weights


def graph_of(vectors: Matrix) -> Graph:
    """Each vector, of length 1, tied to its ten nearest; the larger of two directions counts."""
    size = len(vectors)
    if size < 2:
        return Graph(size, np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
    blocks = [_neighbours(vectors, start) for start in range(0, size, ROWS)]
    rows, columns, cosines = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    return _each_pair_once(size, rows, columns, cosines)


def _neighbours(vectors: Matrix, start: int) -> tuple[Places, Places, Weights]:
    block = vectors[start : start + ROWS] @ vectors.T
    own = np.arange(len(block))
    block[own, start + own] = -2  # nobody is their own neighbour
    kept = min(NEIGHBOURS, len(vectors) - 1)
    columns = np.argpartition(block, -kept, axis=1)[:, -kept:]
    return np.repeat(start + own, kept), columns.ravel(), np.take_along_axis(block, columns, axis=1).ravel()


def _each_pair_once(size: int, rows: Places, columns: Places, cosines: Weights) -> Graph:
    useful = cosines > 0  # Leiden wants positive weights: a negative cosine ties nothing
    keys = (np.minimum(rows, columns) * size + np.maximum(rows, columns))[useful]
    pairs, places = np.unique(keys, return_inverse=True)
    largest = np.zeros(len(pairs), dtype=np.float32)
    np.maximum.at(largest, places, cosines[useful])
    return Graph(size, pairs // size, pairs % size, largest**SHARPNESS)


def communities(graph: Graph, resolution: float, seed: int, start: Sequence[int] | None = None) -> Labels:
    """The groups that Leiden finds; a higher resolution makes more of them.

    `start` has a group of each node to begin from, so that a second run keeps what still holds. A node without an edge
    is a group of its own.
    """
    names = [str(node) for node in range(graph.size)]
    ends = zip(graph.ones.tolist(), graph.others.tolist(), graph.weights.tolist(), strict=True)
    edges = [(names[one], names[other], weight) for one, other, weight in ends]
    if not edges:
        return np.arange(graph.size, dtype=np.int32)
    tied = np.union1d(graph.ones, graph.others).tolist()
    begin = None if start is None else {names[node]: start[node] for node in tied}
    _, found = graspologic_native.leiden(edges, begin, resolution, iterations=ITERATIONS, seed=seed)
    return _numbered([found.get(name, -1) for name in names])


def _numbered(found: Sequence[int]) -> Labels:
    """Labels without gaps; each -1 becomes a label of its own."""
    alone = max(found, default=-1) + 1
    raw = [label if label >= 0 else alone + place for place, label in enumerate(found)]
    return np.unique(raw, return_inverse=True)[1].astype(np.int32)

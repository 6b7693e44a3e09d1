"""Masters that nobody has thought of: our own, with one small change in its code, each judged by the whole catalogue.

    python -m tests.campaign.mutation --count 60 --seed 7

Changes are made in what only a master has (its link, its frame count bits, its procedures, its freshness), and only in
lines that the catalogue's cases run through: a comparison the other way, a number off by one, a condition negated, a
statement left away, a sign turned. Not among them is what only decides in which order a search asks. A change that no
case fails is a survivor: it means nothing different on the wire, in the report and in time, or the catalogue has a gap.
Each one runs in a process of its own.
"""

from __future__ import annotations

import argparse
import ast
import importlib.abc
import importlib.machinery
import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from types import CodeType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = ROOT / "scenarios" / "conformance"
MODULES = (
    "mbusbench.protocol.master_link",
    "mbusbench.protocol.late_answers",
    "mbusbench.protocol.exchange",
    "mbusbench.protocol.fcb",
    "mbusbench.protocol.procedures.*",
    "mbusbench.protocol.procedures.search.ask",
    "mbusbench.protocol.procedures.search.mask",
    "mbusbench.master.master",
    "mbusbench.master.commands",
    "mbusbench.master.freshness",
    "mbusbench.master.search",
    "mbusbench.master.failures",
)
_OF_SLAVES = {"mbusbench.protocol.fcb": ("SlaveFcb", "FcbMode", "Sequence")}
SEED = 7
LIMIT = 240.0
_SWAPS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_SIGNS: dict[type[ast.operator], type[ast.operator]] = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.BitAnd: ast.BitOr}


@dataclass(frozen=True)
class Change:
    """The `index`-th change that can be made in a module, in a line, in words."""

    module: str
    index: int
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.module.removeprefix('mbusbench.')}:{self.line} {self.what}"


@dataclass(frozen=True)
class Result:
    """What came of one. `verdict` is killed, noticed (non-strict only) or survived; `by` is the case."""

    change: Change
    verdict: str
    by: str = ""
    finding: str = ""


def modules() -> list[str]:
    """The names of all modules that are changed."""
    found = []
    for pattern in MODULES:
        package, _, rest = pattern.rpartition(".")
        if rest != "*":
            found.append(pattern)
            continue
        directory = ROOT / package.replace(".", "/")
        found += sorted(f"{package}.{path.stem}" for path in directory.glob("*.py") if path.stem != "__init__")
    return found


def path_of(module: str) -> Path:
    return ROOT / f"{module.replace('.', '/')}.py"


class _Changer(ast.NodeTransformer):
    """Counts what can be changed, and makes the `wanted`-th change."""

    def __init__(self, module: str, wanted: int = -1) -> None:
        self.module = module
        self.wanted = wanted
        self.changes: list[Change] = []
        self._left_out = _OF_SLAVES.get(module, ())

    def _may(self, node: Any, what: str) -> bool:
        self.changes.append(Change(self.module, len(self.changes), node.lineno, what))
        return self.wanted == len(self.changes) - 1

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        if node.name not in self._left_out:
            node.body = [self.visit(each) for each in node.body]
        return node

    def visit_arguments(self, node: ast.arguments) -> ast.AST:
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def _function(self, node: Any) -> ast.AST:
        node.body = [self.visit(each) for each in node.body]
        return node

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        swap = _SWAPS.get(type(node.ops[0]))
        if swap is not None and self._may(node, f"{ast.unparse(node)}: {swap.__name__}"):
            node.ops[0] = swap()
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        if self._may(node, f"{ast.unparse(node)}: and for or"):
            node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        sign = _SIGNS.get(type(node.op))
        if sign is not None and self._may(node, f"{ast.unparse(node)}: {sign.__name__}"):
            node.op = sign()
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Not) and self._may(node, f"{ast.unparse(node)}: without not"):
            return node.operand
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, bool):
            if self._may(node, f"{node.value}: {not node.value}"):
                return ast.copy_location(ast.Constant(not node.value), node)
        elif isinstance(node.value, int) and self._may(node, f"{node.value}: {node.value + 1}"):
            return ast.copy_location(ast.Constant(node.value + 1), node)
        return node

    def _condition(self, node: Any) -> ast.AST:
        self.generic_visit(node)
        if self._may(node, f"if {ast.unparse(node.test)}: negated"):
            node.test = ast.copy_location(ast.UnaryOp(ast.Not(), node.test), node.test)
        return node

    visit_If = visit_While = visit_IfExp = _condition  # noqa: N815

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        if isinstance(node.value, ast.Constant):
            return node
        self.generic_visit(node)
        is_call = isinstance(node.value, ast.Call)
        if is_call and self._may(node, f"{ast.unparse(node)}: left away"):
            return ast.copy_location(ast.Pass(), node)
        return node

    def _assignment(self, node: Any) -> ast.AST:
        self.generic_visit(node)
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        is_kept = isinstance(target, ast.Attribute | ast.Subscript)
        if is_kept and self._may(node, f"{ast.unparse(node)}: left away"):
            return ast.copy_location(ast.Pass(), node)
        return node

    visit_Assign = visit_AugAssign = _assignment  # noqa: N815


def changes_of(module: str) -> list[Change]:
    """All that can be made."""
    changer = _Changer(module)
    changer.visit(ast.parse(path_of(module).read_text(encoding="utf-8")))
    return changer.changes


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a module with one change."""

    index = -1

    def get_code(self, fullname: str) -> CodeType:
        tree = ast.parse(Path(self.path).read_text(encoding="utf-8"))
        changed = ast.fix_missing_locations(_Changer(fullname, self.index).visit(tree))
        code = compile(changed, self.path, "exec")
        assert isinstance(code, CodeType)
        return code


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, module: str, index: int) -> None:
        self._module = module
        self._index = index

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._module:
            return None
        loader = _Loader(fullname, str(path_of(fullname)))
        loader.index = self._index
        return importlib.util.spec_from_loader(fullname, loader)


def change(module: str, index: int) -> None:
    """In this process, before the module is imported."""
    assert module not in sys.modules
    sys.meta_path.insert(0, _Finder(module, index))


def cases(known: Sequence[str] = ()) -> Iterator[Any]:
    """(name, a function that judges our master by it) for every variant, the quick ones first."""
    from mbusbench.scenario.case import run_variant
    from mbusbench.scenario.driver.builtin import BuiltinMaster
    from mbusbench.scenario.run.selection import read_cases

    variants = sorted(read_cases([CATALOGUE]), key=lambda each: each.id.startswith(("SEC-SRC", "RES-END")))
    for variant in variants:
        if not known or variant.name in known:
            yield variant.name, lambda variant=variant: run_variant(variant, BuiltinMaster(), SEED)


def judge(known: Sequence[str]) -> tuple[str, str, str]:
    """The verdict on the master of this process, by whom, and the first finding."""
    noticed = ("survived", "", "")
    for name, run in cases(known):
        judgement = run()
        words = " ".join(str(judgement.findings[0] if judgement.findings else judgement.reason).split())[:160]
        if judgement.verdict in ("fail", "error"):
            return "killed", name, words
        if judgement.verdict == "non-strict" and noticed[0] == "survived":
            noticed = ("noticed", name, words)
    return noticed


def reference() -> tuple[list[str], dict[str, set[int]]]:
    """The cases that our master passes, and the lines of each module that they run through."""
    wanted = {str(path_of(module)): module for module in modules()}
    lines: dict[str, set[int]] = {module: set() for module in wanted.values()}

    def trace(frame: Any, event: str, argument: object) -> Callable[..., Any] | None:
        module = wanted.get(frame.f_code.co_filename)
        if module is None:
            return None
        seen = lines[module]

        def local(inner: Any, what: str, value: object) -> Callable[..., Any]:
            seen.add(inner.f_lineno)
            return local

        return local

    passed = []
    sys.settrace(trace)
    try:
        for name, run in cases():
            if run().verdict == "pass":
                passed.append(name)
    finally:
        sys.settrace(None)
    return passed, lines


def sample(count: int, seed: int, lines: dict[str, set[int]]) -> list[Change]:
    """Changes in lines that are run through."""
    every = [each for module in modules() for each in changes_of(module) if each.line in lines[module]]
    return Random(f"mutation/{seed}").sample(every, min(count, len(every)))


def judged_in_a_process(each: Change, known: Sequence[str], limit: float = LIMIT) -> Result:
    """A master that hangs the process, or breaks it, is as good as failed."""
    command = [sys.executable, "-m", "tests.campaign.mutation", "--judge", each.module, str(each.index)]
    try:
        done = subprocess.run(
            command, input=json.dumps(list(known)), capture_output=True, text=True, cwd=ROOT, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired:
        return Result(each, "killed", "", f"not at its end after {limit:g} s")
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no output"]
        return Result(each, "killed", "", last[0][:160])
    return Result(each, *json.loads(done.stdout.splitlines()[-1]))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign.mutation", description=__doc__)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--judge", nargs=2, metavar=("MODULE", "INDEX"), help="one change; used by itself")
    parser.add_argument("--only", metavar="TEXT", default="", help="modules with this in their name")
    parser.add_argument("--out", type=Path, help="write results as JSON lines")
    options = parser.parse_args(arguments)
    if options.judge:
        known = json.load(sys.stdin)
        change(options.judge[0], int(options.judge[1]))
        print(json.dumps(judge(known)))
        return 0
    known, lines = reference()
    results = []
    lines = {module: seen if options.only in module else set() for module, seen in lines.items()}
    for each in sample(options.count, options.seed, lines):
        results.append(judged_in_a_process(each, known))
        print(f"{results[-1].verdict:<9} {each}  [{results[-1].by}] {results[-1].finding}", flush=True)
        if options.out is not None:
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(results[-1])) + "\n")
    killed = sum(each.verdict == "killed" for each in results)
    print(f"{killed} of {len(results)} are failed by some case of {len(known)}: {100 * killed / len(results):.0f} %")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Results as JUnit XML: a suite for each master, a test case for each case of the catalogue.

A fail and an xpass are failures, an error is an error; what was not tried, what is known to fail, and what is
inconclusive (unless it counts) is skipped.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

from mbusbench.scenario.output.results import CaseResult, Manifest, MasterResult, Results
from mbusbench.scenario.output.text import case_verdict, details, shown_columns, summary
from mbusbench.scenario.verdict import Verdict

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def encode(results: Results) -> bytes:
    """The whole file."""
    root = ElementTree.Element("testsuites", name="mbusbench")
    for master in results.masters:
        _suite(root, master, results.manifest)
    for attribute in ("tests", "failures", "errors", "skipped"):
        root.set(attribute, str(sum(int(suite.get(attribute, "0")) for suite in root)))
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def element_of(case: CaseResult, manifest: Manifest) -> str | None:
    """`failure`, `error`, `skipped`, or None for a case that is passed."""
    if case.excused is not None:
        return "failure" if case.excused == "xpass" else "skipped"
    if case.verdict is Verdict.NON_STRICT:
        return "failure" if manifest.strict else None
    if case.verdict is Verdict.INCONCLUSIVE:
        return "skipped" if manifest.allow_inconclusive else "failure"
    return {Verdict.FAIL: "failure", Verdict.ERROR: "error", Verdict.PASS: None}.get(case.verdict, "skipped")


def _suite(root: ElementTree.Element, master: MasterResult, manifest: Manifest) -> None:
    suite = ElementTree.SubElement(root, "testsuite", name=_legal(master.title), timestamp=manifest.started)
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in (
        ("mbusbench", manifest.mbusbench),
        ("seed", str(manifest.seed)),
        ("transport", master.transport),
        *((f"count {verdict}", str(count)) for verdict, count in master.counts.items()),
    ):
        ElementTree.SubElement(properties, "property", name=name, value=value)
    kinds = [_case(suite, case, master, manifest) for case in master.cases]
    if master.problem is not None:
        kinds.append("error")
        problem = ElementTree.SubElement(suite, "testcase", name="master", classname=_legal(master.title), time="0")
        ElementTree.SubElement(problem, "error", message=_legal(master.problem))
    for attribute, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(kinds.count(kind)))
    suite.set("tests", str(len(kinds)))
    suite.set("time", f"{sum(each.seconds for case in master.cases for each in case.variants):.3f}")


def _case(suite: ElementTree.Element, case: CaseResult, master: MasterResult, manifest: Manifest) -> str | None:
    family = case.id.partition("-")[0]
    element = ElementTree.SubElement(
        suite,
        "testcase",
        name=_legal(f"{case.id} {case.title}"),
        classname=_legal(f"{master.title}.{family}"),
        file=_legal(case.file),
        time=f"{sum(each.seconds for each in case.variants):.3f}",
    )
    kind = element_of(case, manifest)
    said = summary(case)
    if kind is not None:
        found = ElementTree.SubElement(element, kind, message=_legal(f"{case_verdict(case)}: {said}"))
        if kind != "skipped":
            found.set("type", case_verdict(case))
            found.text = _legal("\n".join(details(case)) or said)
    elif said or case.verdict is not Verdict.PASS:
        out = ElementTree.SubElement(element, "system-out")
        out.text = _legal(f"{case.verdict}: {shown_columns(case.columns)} {said}")
    return kind


def _legal(text: str) -> str:
    """Without what XML cannot hold."""
    return _ILLEGAL.sub("�", text)

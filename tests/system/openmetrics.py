"""openmetrics.py [--text] [FAMILY=TYPE ...] <TEXT - is it OpenMetrics 1.0, by the letter?

--text: is it the text format of Prometheus, 0.0.4, with nothing in it that its tools complain of? Families that must be
there may be named. Prints one line a sample: NAME{LABELS} VALUE. Exit code 1, and why on stderr, for the first rule that
is broken.
"""

import math
import re
import sys

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{((?:{LABEL}(?:,{LABEL})*)?)\}})? (\S+)$")
NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$|\+Inf$|-Inf$|NaN$")
# What may stand behind the name of a family, by its type.
OPENMETRICS = {
    "counter": ("_total", "_created"),
    "gauge": ("",),
    "histogram": ("_bucket", "_count", "_sum", "_created"),
    "info": ("_info",),
}
TEXT = {
    "counter": ("",),
    "gauge": ("",),
    "histogram": ("_bucket", "_count", "_sum"),
}
# How the names of other families may not end.
RESERVED = ("_total", "_bucket", "_count", "_sum")


class Broken(Exception):
    pass


def need(holds, what):
    if not holds:
        raise Broken(what)


class Family:
    def __init__(self, name, kind):
        self.name, self.kind = name, kind
        self.unit = self.help = None
        self.samples = {}
        self.order = []

    def add(self, suffix, labels, value):
        key = (suffix, tuple(sorted(labels.items())))
        need(key not in self.samples, f"{self.name}{suffix} {labels} comes twice")
        self.samples[key] = value
        group = tuple(sorted((k, v) for k, v in labels.items() if k != "le"))
        if group not in self.order:
            self.order.append(group)
        need(self.order[-1] == group, f"the samples of {self.name} {dict(group)} do not stand together")
        if self.kind in ("counter", "histogram") or suffix == "_info":
            need(value >= 0 and not math.isnan(value), f"{self.name}{suffix} is {value}")
        if self.kind == "info":
            need(value == 1, f"{self.name}_info is {value}")

    def end(self):
        need(self.help, f"{self.name} has no HELP")
        if self.unit:
            need(self.name.endswith("_" + self.unit), f"{self.name} does not end with its unit {self.unit}")
        if self.kind == "histogram":
            for group in self.order:
                self.check_histogram(group)

    def check_histogram(self, group):
        rows = [(dict(labels)["le"], value) for (suffix, labels), value in self.samples.items()
                if suffix == "_bucket" and tuple(x for x in labels if x[0] != "le") == group]
        bounds = [float(bound) for bound, _ in rows]
        need(bounds == sorted(set(bounds)), f"{self.name}: bounds do not go up")
        need(bounds and bounds[-1] == math.inf, f"{self.name}: no bound +Inf at the end")
        counts = [value for _, value in rows]
        need(counts == sorted(counts), f"{self.name}: buckets are not cumulative")
        need(self.samples.get(("_count", group)) == counts[-1], f"{self.name}: _count is not the last bucket")
        need(("_sum", group) in self.samples, f"{self.name}: no _sum")
        need(counts[-1] > 0 or self.samples[("_sum", group)] == 0, f"{self.name}: a sum of nothing")


class Parser:
    def __init__(self, text_format):
        self.text_format = text_format
        self.suffixes = TEXT if text_format else OPENMETRICS
        self.families = {}
        self.current = None

    def check_name(self, name, kind):
        if self.text_format:
            need(name.endswith("_total") == (kind == "counter"), f"a {kind} of this name")
            need(kind == "counter" or not name.endswith(RESERVED), f"a {kind} of this name")

    def meta(self, line):
        match = re.match(rf"# (TYPE|HELP|UNIT) ({NAME}) (.*)$", line)
        need(match, "no TYPE, HELP or UNIT")
        what, name, rest = match.groups()
        need(what != "UNIT" or not self.text_format, "a unit")
        if what == "TYPE":
            need(name not in self.families, f"{name} is told of twice")
            need(rest in self.suffixes, f"type {rest}")
            self.check_name(name, rest)
            if self.current:
                self.current.end()
            self.current = self.families[name] = Family(name, rest)
            return
        need(self.current and self.current.name == name, f"{what} of {name} does not follow its TYPE")
        need(not self.current.samples, f"{what} of {name} behind its samples")
        need(getattr(self.current, what.lower()) is None, f"{what} of {name} twice")
        setattr(self.current, what.lower(), rest)

    def sample(self, line):
        match = SAMPLE.match(line)
        need(match, "no sample")
        name, labels, value = match[1], match[2] or "", match[match.lastindex]
        need(NUMBER.match(value), f"the value {value}")
        pairs = re.findall(LABEL, labels)
        need(len({key for key, _ in pairs}) == len(pairs), "a label twice")
        need(self.current and name.startswith(self.current.name), f"{name} is of no family")
        suffix = name[len(self.current.name):]
        need(suffix in self.suffixes[self.current.kind], f"{name} in a {self.current.kind}")
        need((suffix == "_bucket") == ("le" in dict(pairs)), f"{name}: le")
        self.current.add(suffix, dict(pairs), float(value))

    def parse(self, text):
        need(text.endswith("\n" if self.text_format else "# EOF\n"), "not the right end")
        lines = text[:-1].split("\n")
        for number, line in enumerate(lines if self.text_format else lines[:-1], 1):
            try:
                need(line == line.strip() and line, "blanks")
                if line.startswith("#"):
                    self.meta(line)
                else:
                    self.sample(line)
            except Broken as broken:
                raise Broken(f"line {number}, {line!r}: {broken}") from None
        self.current.end()
        return self


def main():
    text = sys.stdin.buffer.read().decode("utf-8")
    text_format = sys.argv[1:2] == ["--text"]
    try:
        families = Parser(text_format).parse(text).families
        for wanted in sys.argv[1 + text_format:]:
            name, kind = wanted.split("=")
            need(name in families and families[name].kind == kind and families[name].samples, f"no {kind} {name}")
    except Broken as broken:
        sys.exit(f"openmetrics: {broken}")
    for family in families.values():
        for (suffix, labels), value in family.samples.items():
            inner = ",".join(f'{key}="{text}"' for key, text in labels)
            print(f"{family.name}{suffix}{{{inner}}} {value:g}")


main()

"""Resolves SenML packs (RFC 8428 section 4.6), strictly. One pack a line on stdin; one list of resolved records a line on stdout.

Written from the RFC, without a look at the encoder. Numbers keep their digits: they are given back as text.
"""
import json
import re
import sys
from decimal import Decimal

KNOWN = {
    "bn": str, "bt": Decimal, "bu": str, "bv": Decimal, "bs": Decimal, "bver": Decimal,
    "n": str, "u": str, "v": Decimal, "vs": str, "vb": bool, "vd": str, "s": Decimal, "t": Decimal, "ut": Decimal,
}
PRIMARY = set(
    "m kg g s A K cd mol Hz rad sr N Pa J W C V F Ohm S Wb T H Cel lm lx Bq Gy Sv kat m2 m3 l m/s m/s2 m3/s l/s W/m2 cd/m2 bit bit/s lat lon pH dB "
    "dBW Bspl count / % %RH %EL EL 1/s 1/min beat/min beats S/m B VA VAs var vars J/m kg/m3 deg NTU".split()
)
SECONDARY = set(
    "ms min h MHz kW kVA kvar Ah Wh kWh varh kvarh kVAh Wh/km KiB GB Mbit/s B/s MB/s mV mA dBm ug/m3 mm/h m/h ppm /100 /1000 hPa mm cm km km/h".split()
)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-:./_]*\Z")


def fail(why):
    raise SystemExit("not SenML: " + why)


def pairs(items):
    keys = [key for key, _ in items]
    if len(keys) != len(set(keys)):
        fail("a label stands twice in a record")
    return dict(items)


def resolve(text):
    pack = json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=lambda c: fail(c), object_pairs_hook=pairs)
    if not isinstance(pack, list) or not pack:
        fail("a pack is an array with at least one record")
    base, version, resolved = {}, None, []
    for record in pack:
        for label, value in record.items():
            if label.endswith("_"):
                fail("must understand " + label)
            if label in KNOWN and type(value) is not KNOWN[label]:
                fail(f"{label} is a {type(value).__name__}")
            if label not in KNOWN:
                fail("unknown label " + label)
        base.update({label: record[label] for label in ("bn", "bt", "bu", "bv", "bs", "bver") if label in record})
        if "bver" in record:
            if version not in (None, record["bver"]):
                fail("two versions in a pack")
            version = record["bver"]
        values = [label for label in ("v", "vs", "vb", "vd") if label in record]
        if len(values) != 1:
            fail(f"{len(values)} values in a record")
        name = base.get("bn", "") + record.get("n", "")
        if not NAME.match(name):
            fail("name " + name)
        unit = record.get("u", base.get("bu"))
        allowed = PRIMARY | SECONDARY if version == 26 else PRIMARY
        if unit is not None and unit not in allowed:
            fail("unit " + unit)
        time = base.get("bt", Decimal(0)) + record.get("t", Decimal(0))
        out = {"n": name, "t": str(time), "relative": time < 2**28, values[0]: record[values[0]]}
        if "v" in out:
            out["v"] = str(out["v"] + base.get("bv", Decimal(0)))
        if "vd" in out and not re.match(r"[A-Za-z0-9_-]*\Z", out["vd"]):
            fail("vd is not base64url without padding")
        if unit is not None:
            out["u"] = unit
        resolved.append(out)
    return resolved


for line in sys.stdin:
    print(json.dumps(resolve(line)))

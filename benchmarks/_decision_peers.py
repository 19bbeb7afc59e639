"""
Other people's clients, asked the same: kill switch, tenant targeting, 10 % by user; offline, with their defaults.

    python _decision_peers.py NAME REPEATS          one peer, in an interpreter that has it; prints one line of JSON

Each uses its own means where it has them: a prerequisite or a dependency as the kill switch, its own targeting and its
own hash. Where it has no such thing, a second look-up stands for it, as its users would have to write.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
import tempfile
from pathlib import Path

from _decision_world import PERCENT, TARGETED, Call, empty, loop, measure, wrong_split

__all__ = ["PEERS"]

AGENT = "agent-0"
NOWHERE = "http://127.0.0.1:9"
"""A port where nobody listens: every client is offline."""


def openfeature() -> Call:
    """OpenFeature's in-memory provider has no rules: the evaluator in it is the application's own code."""
    from openfeature import api
    from openfeature.evaluation_context import EvaluationContext
    from openfeature.flag_evaluation import FlagResolutionDetails, Reason
    from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider

    killed: set[str] = set()
    tenants = frozenset(TARGETED)

    def evaluate(flag, context):
        version = "v1"
        if not killed and context.attributes["tenant"] in tenants:
            point = int.from_bytes(hashlib.md5(context.targeting_key.encode()).digest()[:8], "big")  # noqa: S324
            version = "v2" if point < 2**64 * PERCENT // 100 else "v1"
        return FlagResolutionDetails(value=version, reason=Reason.TARGETING_MATCH, variant=version)

    flag = InMemoryFlag("v1", {"v1": "v1", "v2": "v2"}, context_evaluator=evaluate)
    api.set_provider(InMemoryProvider({AGENT: flag}))
    client = api.get_client()
    return lambda user, tenant: client.get_string_value(AGENT, "v1", EvaluationContext(user, {"tenant": tenant}))


def growthbook() -> Call:
    """One object whose attributes are set for each request; the kill switch is a parent feature."""
    from growthbook import GrowthBook

    killed = {"parentConditions": [{"id": "kill", "condition": {"value": True}}], "force": "v1"}
    canary = {
        "condition": {"tenant": {"$in": list(TARGETED)}},
        "force": "v2",
        "coverage": PERCENT / 100,
        "hashAttribute": "id",
        "hashVersion": 2,
        "seed": AGENT,
    }
    book = GrowthBook(
        features={"kill": {"defaultValue": False}, AGENT: {"defaultValue": "v1", "rules": [killed, canary]}}
    )

    def decide(user: str, tenant: str) -> object:
        book.set_attributes({"id": user, "tenant": tenant})
        return book.get_feature_value(AGENT, "v1")

    return decide


def eppo() -> Call:
    """Its format has no prerequisites: the kill switch is a second flag, asked first."""
    import eppo_client
    from eppo_client import AssignmentLogger, ClientConfig, Configuration

    split = {"variationKey": "v2", "shards": [{"salt": AGENT, "ranges": [{"start": 0, "end": PERCENT * 100}]}]}
    canary = {
        "key": "canary",
        "rules": [{"conditions": [{"attribute": "tenant", "operator": "ONE_OF", "value": list(TARGETED)}]}],
        "splits": [split],
        "doLog": False,
    }
    flags = {
        "kill": {
            "key": "kill",
            "enabled": False,
            "variationType": "BOOLEAN",
            "variations": {"on": {"key": "on", "value": True}},
            "totalShards": 10_000,
            "allocations": [],
        },
        AGENT: {
            "key": AGENT,
            "enabled": True,
            "variationType": "STRING",
            "variations": {version: {"key": version, "value": version} for version in ("v1", "v2")},
            "totalShards": 10_000,
            "allocations": [canary],
        },
    }
    known = {
        "createdAt": "2026-01-01T00:00:00.000Z",
        "format": "SERVER",
        "environment": {"name": "test"},
        "flags": flags,
    }
    client = eppo_client.init(
        ClientConfig(
            api_key="none",
            base_url=NOWHERE,
            assignment_logger=AssignmentLogger(),
            initial_configuration=Configuration(flags_configuration=json.dumps(known).encode()),
            poll_interval_seconds=None,
        )
    )

    def decide(user: str, tenant: str) -> object:
        if client.get_boolean_assignment("kill", user, {}, False):  # noqa: FBT003
            return "v1"
        return client.get_string_assignment(AGENT, user, {"tenant": tenant}, "v1")

    return decide


def launchdarkly() -> Call:
    """From a file, without events; the kill switch is a prerequisite, which has to be on."""
    import ldclient
    from ldclient import Context
    from ldclient.config import Config
    from ldclient.integrations import Files

    def flag(key: str, **more):
        always = {"key": key, "version": 1, "on": True, "offVariation": 0, "fallthrough": {"variation": 0}}
        return {**always, "salt": key, "prerequisites": [], "targets": [], "rules": [], "deleted": False, **more}

    weights = [
        {"variation": 1, "weight": PERCENT * 1_000},
        {"variation": 0, "weight": 100_000 - PERCENT * 1_000},
    ]
    rule = {
        "id": "canary",
        "clauses": [{"attribute": "tenant", "op": "in", "values": list(TARGETED), "negate": False}],
        "rollout": {"contextKind": "user", "bucketBy": "key", "variations": weights},
    }
    flags = {
        "alive": flag("alive", variations=[True, False], offVariation=1),
        AGENT: flag(AGENT, variations=["v1", "v2"], rules=[rule], prerequisites=[{"key": "alive", "variation": 0}]),
    }
    path = Path(tempfile.mkdtemp()) / "flags.json"
    path.write_text(json.dumps({"flags": flags, "segments": {}}), encoding="utf-8")
    source = Files.new_data_source(paths=[str(path)])
    client = ldclient.LDClient(
        Config("none", update_processor_class=source, send_events=False, diagnostic_opt_out=True), start_wait=30
    )
    return lambda user, tenant: client.variation(AGENT, Context.builder(user).set("tenant", tenant).build(), "v1")


def unleash() -> Call:
    """From a bootstrapped cache, without metrics; the kill switch is a dependency."""
    from UnleashClient import UnleashClient
    from UnleashClient.cache import FileCache

    constraint = {
        "contextName": "tenant",
        "operator": "IN",
        "values": list(TARGETED),
        "inverted": False,
        "caseInsensitive": False,
    }
    canary = {
        "name": "flexibleRollout",
        "parameters": {"rollout": str(PERCENT), "stickiness": "userId", "groupId": AGENT},
        "constraints": [constraint],
    }
    features = [
        {
            "name": "kill",
            "type": "kill-switch",
            "enabled": False,
            "strategies": [{"name": "default", "parameters": {}}],
        },
        {
            "name": AGENT,
            "type": "release",
            "enabled": True,
            "dependencies": [{"feature": "kill", "enabled": False}],
            "strategies": [canary],
        },
    ]
    cache = FileCache("benchmark", directory=tempfile.mkdtemp())
    cache.bootstrap_from_dict({"version": 2, "features": features})
    client = UnleashClient(f"{NOWHERE}/api", "benchmark", disable_metrics=True, disable_registration=True, cache=cache)
    return lambda user, tenant: "v2" if client.is_enabled(AGENT, {"userId": user, "tenant": tenant}) else "v1"


PEERS = {
    "openfeature": (openfeature, "openfeature-sdk"),
    "growthbook": (growthbook, "growthbook"),
    "eppo": (eppo, "eppo-server-sdk"),
    "launchdarkly": (launchdarkly, "launchdarkly-server-sdk"),
    "unleash": (unleash, "UnleashClient"),
}
"""How to ask each, and the package it comes in."""


def main() -> None:
    from importlib.metadata import version

    name, repeats = sys.argv[1], int(sys.argv[2])
    logging.disable(logging.CRITICAL)
    make, package = PEERS[name]
    decide = make()
    wrong = wrong_split(lambda user, tenant: decide(user, tenant) == "v2")
    if wrong:
        print(json.dumps({"wrong": wrong}))
        return
    ns, ratio = measure({"floor": loop(empty), name: loop(decide)}, floor="floor", repeats=repeats)[name]
    print(json.dumps({"version": version(package), "ns": ns, "ratio": ratio}), flush=True)


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # some of these clients keep threads that would not end

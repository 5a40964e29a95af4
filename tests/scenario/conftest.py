"""The sites that scenarios of faults run on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clickhouse_testbed import clickhouse_testbed
from tests.kafka_testbed import kafka_broker
from tests.scenario.sites import AUDIT, CLUSTER, HOSTS, ClusterSite, EmbeddedSite, Site
from tests.slurm_testbed import cluster_fixture

__all__ = ["clickhouse_testbed", "kafka_broker"]


@pytest.fixture(scope="module")
def cluster(request: pytest.FixtureRequest) -> Iterator[ClusterSite]:
    """A cluster with a Slurm of its own: what a module drains is drained for no other."""
    broker = request.getfixturevalue("kafka_broker")
    clickhouse = request.getfixturevalue("clickhouse_testbed")
    for slurm in cluster_fixture(HOSTS, AUDIT):
        yield ClusterSite(broker, clickhouse, slurm)


@pytest.fixture(scope="module", params=["embedded", CLUSTER])
def site(request: pytest.FixtureRequest) -> Site:
    """Each of the two lines in turn."""
    if request.param == "embedded":
        return EmbeddedSite()
    cluster: Site = request.getfixturevalue("cluster")
    return cluster

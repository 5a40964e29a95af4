"""What every detector keeps to. Inherit, and give a detector and inputs that make it fire."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

import pytest
from pydantic import ValidationError

from fleetops.core import plugin
from fleetops.detect.base import Detector, DetectorConfig, Inputs
from fleetops_schemas.faults import load_faults
from fleetops_schemas.records import Finding, FindingStatus


class DetectorContract(ABC):
    """The suite."""

    @abstractmethod
    def make(self) -> Detector:
        """A fresh detector with its default settings."""

    @abstractmethod
    def story(self) -> Iterable[Inputs]:
        """Inputs, in time order, by the end of which something fires."""

    def tell(self, detector: Detector) -> tuple[list[Finding], dict[str, Finding]]:
        """(everything said, what fires in the end)."""
        said: list[Finding] = []
        firing: dict[str, Finding] = {}
        for inputs in self.story():
            for finding in detector.evaluate(inputs):
                said.append(finding)
                if finding.status is FindingStatus.FIRING:
                    firing[finding.id] = finding
                else:
                    del firing[finding.id]
        return said, firing

    def last(self) -> Inputs:
        """An empty round after the story."""
        inputs = list(self.story())[-1]
        return Inputs(inputs.now, inputs.topology, [], [], [])

    def test_it_is_installed_under_its_name(self) -> None:
        detector = self.make()
        assert isinstance(detector, Detector)
        assert plugin.load("detectors", detector.name) is type(detector)

    def test_its_settings_have_defaults_and_refuse_unknown_keys(self) -> None:
        model = self.make().config_model
        assert issubclass(model, DetectorConfig)
        model.model_validate({})
        with pytest.raises(ValidationError):
            model.model_validate({"no_such_setting": 1})

    def test_its_findings_are_signed_and_of_known_kinds(self) -> None:
        detector = self.make()
        said, firing = self.tell(detector)
        assert firing
        for finding in said:
            assert finding.detector == detector.name
            assert finding.id == f"{detector.name}:{finding.kind}:{finding.device}"
            assert finding.kind in load_faults().kinds
            assert finding.started_at <= finding.updated_at
            assert finding.summary
            assert finding.evidence

    def test_it_says_nothing_where_nothing_comes(self) -> None:
        detector = self.make()
        empty = self.last()
        assert list(detector.evaluate(empty)) == []
        assert list(detector.evaluate(empty)) == []

    def test_it_does_not_repeat_itself(self) -> None:
        detector = self.make()
        self.tell(detector)
        assert list(detector.evaluate(self.last())) == []

    def test_the_same_story_gives_the_same_findings(self) -> None:
        assert self.tell(self.make()) == self.tell(self.make())

    def test_a_restart_takes_over_what_fired(self) -> None:
        _, firing = self.tell(self.make())
        again = self.make()
        again.restore(firing)
        assert list(again.evaluate(self.last())) == []

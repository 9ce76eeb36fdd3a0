"""Groups: named filter expressions."""

from __future__ import annotations

import pytest

from xtrace.collector.api.errors import ApiError
from xtrace.collector.filters import FilterError, parse
from xtrace.collector.groups import MAX_GROUPS, Groups
from xtrace.collector.store import open_store


@pytest.fixture
def store():
    store = open_store(":memory:")
    yield store
    store.close()


@pytest.fixture
def groups(store):
    return Groups(store)


def refused(call, given):
    with pytest.raises(ApiError) as caught:
        call(given)
    assert (caught.value.type, caught.value.status) == ("InvalidRequestException", 400)
    return caught.value.message


def test_the_group_of_all_traces_is_always_there(groups):
    (group,) = groups.all()
    assert (group["GroupName"], group["FilterExpression"]) == ("Default", "")
    assert group["GroupARN"] == "arn:aws:xray:us-east-1:000000000000:group/Default"
    assert groups.filter({"GroupName": "Default"}) is None
    assert groups.filter({}) is None


def test_a_group_is_created_changed_and_deleted(groups):
    made = groups.create({"GroupName": "slow", "FilterExpression": "responsetime > 5"})
    assert made["GroupARN"].startswith("arn:aws:xray:us-east-1:000000000000:group/slow/")
    assert made["InsightsConfiguration"] == {
        "InsightsEnabled": False,
        "NotificationsEnabled": False,
    }
    insights = {"InsightsEnabled": True}
    changed = groups.update({"GroupARN": made["GroupARN"], "InsightsConfiguration": insights})
    assert changed["FilterExpression"] == "responsetime > 5"
    assert changed["InsightsConfiguration"]["InsightsEnabled"]
    groups.update({"GroupName": "slow", "FilterExpression": "responsetime > 6"})
    assert groups.filter({"GroupName": "slow"}) == parse("responsetime > 6")
    groups.delete({"GroupName": "slow"})
    assert len(groups.all()) == 1


def test_groups_outlive_the_process(groups, store):
    groups.create({"GroupName": "slow", "FilterExpression": "responsetime > 5"})
    again = Groups(store)
    assert again.all() == groups.all()
    assert again.filter({"GroupName": "slow"}) == parse("responsetime > 5")


def test_names_differ_by_case_and_are_listed_in_order(groups):
    for name in ("b", "a", "A"):
        groups.create({"GroupName": name})
    assert [group["GroupName"] for group in groups.all()] == ["Default", "A", "a", "b"]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"GroupName": "Default"}, "GroupName: the name Default is taken"),
        ({"GroupName": "taken"}, "GroupName: there is a group 'taken' already"),
        ({"GroupName": "x", "FilterExpression": "faul"}, "FilterExpression: "),
        ({"GroupName": "x", "FilterExpression": 'group.name = "x"'}, "defined by itself"),
        ({"GroupName": "x", "FilterExpression": 'group.name = "y"'}, "there is no group 'y'"),
        (
            {"GroupName": "x", "InsightsConfiguration": {"NotificationsEnabled": True}},
            "InsightsConfiguration.NotificationsEnabled",
        ),
    ],
)
def test_groups_that_cant_be_created(groups, wanted, said):
    groups.create({"GroupName": "taken"})
    assert said in refused(groups.create, wanted)
    assert len(groups.all()) == 2


def test_an_error_in_an_expression_says_where(groups):
    said = refused(groups.create, {"GroupName": "x", "FilterExpression": "fault AND"})
    assert "line 1, column 10" in said


def test_there_are_only_so_many_groups(groups):
    for number in range(MAX_GROUPS):
        groups.create({"GroupName": f"group {number}"})
    assert "25 groups" in refused(groups.create, {"GroupName": "more"})
    groups.delete({"GroupName": "group 7"})
    groups.create({"GroupName": "more"})


@pytest.mark.parametrize(
    ("which", "said"),
    [
        ({}, "Give GroupName or GroupARN"),
        ({"GroupName": "Default", "GroupARN": "x"}, "not both"),
        ({"GroupName": "nobody"}, "GroupName: there is no group 'nobody'"),
        ({"GroupARN": "arn:x"}, "GroupARN: there is no group 'arn:x'"),
    ],
)
def test_groups_that_arent_there(groups, which, said):
    for call in (groups.get, groups.update, groups.delete):
        assert said in refused(call, which)


def test_the_default_group_stays_as_it_is(groups):
    assert "can't be deleted" in refused(groups.delete, {"GroupName": "Default"})
    change = {"GroupName": "Default", "FilterExpression": "fault"}
    assert "all traces" in refused(groups.update, change)


def test_groups_stand_for_their_expressions_by_name_and_arn(groups):
    made = groups.create({"GroupName": "slow", "FilterExpression": "responsetime > 5"})
    meant = parse("fault (responsetime > 5)")
    for named in ('group.name = "slow"', f'group.arn = "{made["GroupARN"]}"'):
        assert groups.resolved(parse(f"fault {named}")) == meant


def test_a_group_may_build_on_another_and_not_on_itself(groups):
    groups.create({"GroupName": "slow", "FilterExpression": "responsetime > 5"})
    groups.create({"GroupName": "bad", "FilterExpression": 'fault group.name = "slow"'})
    assert groups.filter({"GroupName": "bad"}) == parse("fault (responsetime > 5)")
    change = {"GroupName": "slow", "FilterExpression": 'group.name = "bad"'}
    assert "defined by itself" in refused(groups.update, change)
    groups.delete({"GroupName": "slow"})
    assert "there is no group 'slow'" in refused(groups.filter, {"GroupName": "bad"})
    with pytest.raises(FilterError):
        groups.resolved(parse('group.name = "bad"'))

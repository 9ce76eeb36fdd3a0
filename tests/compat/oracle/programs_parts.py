"""Sampling, headers, addresses, plugins, the patcher, Lambda, utilities."""

import os
import random
import sys
import threading
from datetime import datetime, timezone
from pathlib import Path

from aws_xray_sdk import global_sdk_config
from aws_xray_sdk.core import AWSXRayRecorder, patcher
from aws_xray_sdk.core.daemon_config import DaemonConfig
from aws_xray_sdk.core.emitters.udp_emitter import UDPEmitter
from aws_xray_sdk.core.lambda_launcher import LambdaContext, check_in_lambda
from aws_xray_sdk.core.models.default_dynamic_naming import DefaultDynamicNaming
from aws_xray_sdk.core.models.facade_segment import FacadeSegment
from aws_xray_sdk.core.models.noop_traceid import NoOpTraceId
from aws_xray_sdk.core.models.segment import Segment
from aws_xray_sdk.core.models.subsegment import Subsegment
from aws_xray_sdk.core.models.trace_header import TraceHeader
from aws_xray_sdk.core.models.traceid import TraceId
from aws_xray_sdk.core.plugins.utils import get_plugin_modules
from aws_xray_sdk.core.sampling import connector, reservoir, rule_cache, sampler, sampling_rule
from aws_xray_sdk.core.sampling.local.reservoir import Reservoir as LocalReservoir
from aws_xray_sdk.core.sampling.local.sampler import LocalSampler
from aws_xray_sdk.core.sampling.local.sampling_rule import SamplingRule as LocalRule
from aws_xray_sdk.core.utils.atomic_counter import AtomicCounter
from aws_xray_sdk.core.utils.compat import is_classmethod, is_instance_method
from aws_xray_sdk.core.utils.conversion import metadata_to_dict
from aws_xray_sdk.core.utils.search_pattern import wildcard_match
from aws_xray_sdk.core.utils.sqs_message_helper import SqsMessageHelper
from aws_xray_sdk.ext import util

RULES = {
    "version": 2,
    "rules": [
        {
            "description": "none of it",
            "host": "*",
            "http_method": "GET",
            "url_path": "/none/*",
            "fixed_target": 0,
            "rate": 0,
        },
        {
            "description": "all of it",
            "host": "*.com",
            "http_method": "*",
            "url_path": "/all",
            "fixed_target": 0,
            "rate": 1,
        },
    ],
    "default": {"fixed_target": 0, "rate": 0},
}


def local_sampling(x):
    found = LocalSampler(RULES)
    for request in (
        None,
        {"host": "a.com", "method": "GET", "path": "/none/1"},
        {"host": "a.com", "method": "PUT", "path": "/all"},
        {"host": "a.org", "method": "PUT", "path": "/all"},
        {"path": "/all"},
        {},
    ):
        x.note(found.should_trace(request))


def local_sampling_rules_that_are_wrong(x):
    rule = RULES["rules"][0]
    for rules in (
        {},
        {"version": 3, "default": {"fixed_target": 1, "rate": 1}},
        {"version": 2},
        {"version": 2, "default": {"fixed_target": -1, "rate": 1}},
        {"version": 2, "default": {"fixed_target": 1, "rate": -1}},
        {
            "version": 2,
            "default": {
                "fixed_target": 1,
                "rate": 1,
                "host": "*",
                "http_method": "*",
                "url_path": "*",
            },
        },
        {
            "version": 2,
            "default": {"fixed_target": 1, "rate": 1},
            "rules": [{**rule, "host": None}],
        },
        {"version": 1, "default": {"fixed_target": 1, "rate": 1}, "rules": [rule]},
        {"version": 2, "default": {"rate": 1}},
    ):
        x.attempt(LocalSampler, rules)


def local_rules_and_reservoirs(x):
    rule = LocalRule(RULES["rules"][1])
    x.note(rule.fixed_target, rule.rate, rule.host, rule.method, rule.path)
    x.attempt(lambda: rule.version)
    x.note(rule.applies("a.com", "GET", "/all"), rule.applies("a.org", None, None))
    x.note(rule.applies(None, None, None), rule.applies("a.com", "GET", "/"))
    first = LocalReservoir(2)
    x.note(first.traces_per_sec, [first.take() for _ in range(3)].count(True) >= 2)
    x.note(LocalReservoir().take())


def sampling_of_the_recorder(x):
    asked = []

    class Sampler:
        def should_trace(self, request=None):
            asked.append(request)
            return answers.pop(0)

        def load_local_rules(self, rules):
            asked.append("rules")

    x.recorder.configure(sampling=True, sampler=Sampler(), sampling_rules=RULES)
    answers = [False, True, "rule name", 0]
    for _ in range(4):
        with x.recorder.in_segment("a") as segment:
            x.note(type(segment).__name__)
    x.note(asked)
    for given in (1, 0, True, False, "given"):
        with x.recorder.in_segment("a", sampling=given) as segment:
            x.note(type(segment).__name__)


def central_rules(x):
    rule = sampling_rule.SamplingRule(
        "r", 1, 0.5, 2, host="*.com", method="GET", path="/*", service="s", service_type="*"
    )
    x.note(rule.name, rule.priority, rule.rate, rule.can_borrow, rule.is_default())
    x.note(rule.match({"host": "a.com", "method": "GET", "path": "/x", "service": "s"}))
    x.note(rule.match({"host": "a.org"}), rule.match(None), rule.match({}))
    x.note(rule.ever_matched(), rule.time_to_report())
    rule.increment_request_count()
    rule.increment_borrow_count()
    rule.increment_sampled_count()
    x.note(rule.ever_matched(), rule.snapshot_statistics(), rule.request_count)
    x.note(sampling_rule.SamplingRule("Default", 1000, 0.1, 0).is_default())


def central_reservoir(x):
    found = reservoir.Reservoir()
    x.note(found.quota, found.TTL)
    for now, can_borrow in ((100, True), (100, True), (101, True), (102, False), (102, None)):
        x.note(str(found.borrow_or_take(now, can_borrow)))
    found.load_quota(2, 200, 20)
    for now in (150, 150, 150, 151, 200, 201):
        x.note(str(found.borrow_or_take(now, True)))
    x.note(found._time_to_report(), found._time_to_report())


def central_cache(x):
    cache = rule_cache.RuleCache()
    make = sampling_rule.SamplingRule
    rules = [
        make("b", 2, 0.1, 1, host="*", method="*", path="*", service="*", service_type="*"),
        make("a", 2, 0.1, 1, host="x", method="*", path="*", service="*", service_type="*"),
        make("Default", 1000, 0.1, 1),
    ]
    cache.load_rules(rules)
    x.note([rule.name for rule in cache.rules], cache.get_matched_rule({}, 10))
    cache.last_updated = 10
    x.note(cache.get_matched_rule({"host": "y"}, 11).name, cache.last_updated)
    x.note(cache.get_matched_rule({"host": "x"}, 11).name, cache.get_matched_rule({}, 5000))
    rules[0].increment_request_count()
    cache.load_targets({"b": {"rate": 0.7, "quota": 5, "TTL": 100, "interval": 10}})
    x.note(rules[0].rate, rules[0].reservoir.quota)
    again = [make("b", 1, 0.3, 1)]
    cache.load_rules(again)
    x.note(again[0].request_count, again[0].reservoir.quota, [rule.name for rule in cache.rules])


class _Client:
    def get_sampling_rules(self):
        rule = {
            "RuleName": "r",
            "Priority": 5,
            "FixedRate": 0.5,
            "ReservoirSize": 1,
            "Host": "*",
            "ServiceName": "*",
            "HTTPMethod": "*",
            "URLPath": "*",
            "ServiceType": "*",
            "ResourceARN": "*",
            "Version": 1,
        }
        return {
            "SamplingRuleRecords": [
                {"SamplingRule": rule},
                {"SamplingRule": {**rule, "RuleName": "attributes", "Attributes": {"a": "b"}}},
                {"SamplingRule": {**rule, "RuleName": "version", "Version": 2}},
                {"SamplingRule": {**rule, "RuleName": "arn", "ResourceARN": "arn:1"}},
            ]
        }

    def get_sampling_targets(self, SamplingStatisticsDocuments):
        self.reported = SamplingStatisticsDocuments
        when = datetime(2020, 1, 1, tzinfo=timezone.utc)
        return {
            "SamplingTargetDocuments": [
                {
                    "RuleName": "r",
                    "FixedRate": 0.2,
                    "ReservoirQuota": 3,
                    "ReservoirQuotaTTL": when,
                    "Interval": 20,
                }
            ],
            "LastRuleModification": when,
        }


def central_connector(x):
    found = connector.ServiceConnector()
    client = _Client()
    found.setup_xray_client("127.0.0.1", 2000, client)
    rules = found.fetch_sampling_rules()
    x.note([[rule.name, rule.priority, rule.rate, rule.can_borrow] for rule in rules])
    rules[0].increment_request_count()
    targets, modified = found.fetch_sampling_target(rules)
    x.note(targets, modified)
    x.note(
        [
            {k: v for k, v in each.items() if k not in ("ClientID", "Timestamp")}
            for each in client.reported
        ],
        len(client.reported[0]["ClientID"]),
    )


def central_decisions(x):
    found = sampler.DefaultSampler()
    found._started = True
    rule = sampling_rule.SamplingRule("r", 1, 0, 1)
    x.note([found._process_matched_rule(rule, 100) for _ in range(2)])
    x.note(rule.request_count, rule.borrow_count, rule.sampled_count)
    rule.reservoir.load_quota(1, 200, 10)
    x.note([found._process_matched_rule(rule, 150) for _ in range(2)])
    rule.rate = 1
    x.note(found._process_matched_rule(rule, 150), rule.sampled_count)
    found.load_local_rules({"version": 2, "default": {"fixed_target": 0, "rate": 1}})
    x.note(found.should_trace(), found.should_trace({"host": "a"}))
    global_sdk_config.set_sdk_enabled(False)
    x.note(found.should_trace())


def headers(x):
    for text in (
        None,
        "",
        "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
        "Root=1;Parent=2;Sampled=?;Lineage=a:b;Self=3",
        "Sampled=0",
        "Sampled=2",
        "nonsense",
        "Root=1;",
        "Root=1; Parent=2; Sampled=1",
        "Root=a=b",
    ):
        header = TraceHeader.from_header_str(text)
        x.note([header.root, header.parent, header.sampled, header.data, header.to_header_str()])
    for sampled in (True, False, 1, 0, "1", "0", "?", None, "x"):
        x.note(TraceHeader("r", "p", sampled, {"k": "v"}).to_header_str())


def injected_headers(x):
    with x.recorder.in_segment("a", traceid="1-5759e988-bd862e3fe1be46a994272793") as segment:
        segment.id = "53995c3f42cd8ad8"
        segment.save_origin_trace_header(TraceHeader(data={"Lineage": "x"}))
        found = {}
        util.inject_trace_header(found, segment)
        x.note(found)
        with x.recorder.in_subsegment("b") as subsegment:
            subsegment.id = "63995c3f42cd8ad8"
            util.inject_trace_header(found, subsegment)
            x.note(found)
        util.inject_trace_header(found, None)
    with x.recorder.in_segment("a", sampling=0) as segment:
        found = {}
        util.inject_trace_header(found, segment)
        x.note(found)


def an_unsampled_request_goes_on(x):
    root = "1-5759e988-bd862e3fe1be46a994272793"
    with x.recorder.in_segment(
        "a", sampling=0, traceid=root, parent_id="53995c3f42cd8ad8"
    ) as segment:
        found = {}
        util.inject_trace_header(found, segment)
        x.note(found, util.prepare_response_header(TraceHeader(), segment))


def utilities_of_ext(x):
    for name in ("TableName", "QueueOwnerAWSAccountId", "HTTPMethod", "a", "URL"):
        x.note(util.to_snake_case(name))
    for url in ("http://a.com/p?q=1", "a?b?c", "", None):
        x.note(util.strip_url(url))
    for url in ("http://A.com:80/p", "a.com", "", None, "http://u:p@h/"):
        x.note(util.get_hostname(url))
    segment = Segment("a", traceid="t")
    for sampled in ("?", 1, 0, None):
        x.note(util.prepare_response_header(TraceHeader(sampled=sampled), segment))
    x.note(util.construct_xray_header({"HTTP_X_AMZN_TRACE_ID": "Root=1"}).root)
    x.note(util.construct_xray_header({"X-Amzn-Trace-Id": "Root=2"}).root)
    x.note(util.construct_xray_header({}).root)
    x.note(util.calculate_segment_name("h", x.recorder))
    x.recorder.dynamic_naming = DefaultDynamicNaming("*.a.com", "fallback")
    x.note([util.calculate_segment_name(h, x.recorder) for h in ("x.a.com", "b.org", None)])


def sampling_decisions(x):
    class Sampler:
        def should_trace(self, request=None):
            return answers.pop(0)

    x.recorder.sampler = Sampler()
    answers = [True, False, "rule"]
    for sampled in (0, 1, "?", None):
        x.note(util.calculate_sampling_decision(TraceHeader(sampled=sampled), x.recorder, {}))
    x.recorder.sampling = True
    for _ in range(3):
        x.note(util.calculate_sampling_decision(TraceHeader(sampled="?"), x.recorder, {}))


def dynamic_naming(x):
    naming = DefaultDynamicNaming("*.example.com", "other")
    x.note([naming.get_name(h) for h in ("a.example.com", "example.org", None, "")])


def daemon_addresses(x):
    for address in (
        "127.0.0.1:3000",
        "tcp:a:1 udp:b:2",
        "udp:b:2 tcp:a:1",
        None,
        "a",
        "a:b",
        "tcp:a:1 tcp:b:2",
        "a:1:junk",
        "tcp:a:1 udp:b",
        "x y z",
        "",
    ):
        try:
            found = DaemonConfig(address)
            x.note([found.udp_ip, found.udp_port, found.tcp_ip, found.tcp_port])
        except Exception as error:
            x.note([type(error).__name__, str(error)])
    os.environ["AWS_XRAY_DAEMON_ADDRESS"] = "e:9"
    x.note(DaemonConfig("a:1").udp_ip)


def udp_emitters(x):
    found = UDPEmitter()
    x.note(found.ip, found.port, found._parse_address("a:5"))
    found.set_daemon_address("tcp:a:1 udp:b:2")
    found.set_daemon_address(None)
    x.note(found.ip, found.port)
    x.attempt(UDPEmitter, "nonsense")

    class Captured(UDPEmitter):
        def __init__(self):
            super().__init__()
            self.data = []

        def _send_data(self, data):
            self.data.append(data)

    captured = Captured()
    x.recorder.configure(emitter=captured)
    with x.recorder.in_segment("a"):
        pass
    x.note(len(captured.data), captured.data[0].partition("\n")[0])


def environment_variables(x):
    os.environ["AWS_XRAY_TRACING_NAME"] = "by environment"
    os.environ["AWS_XRAY_CONTEXT_MISSING"] = "RUNTIME_ERROR"
    recorder = AWSXRayRecorder()
    x.note(recorder.service, recorder.context.context_missing)
    recorder.configure(service="given", context_missing="LOG_ERROR")
    x.note(recorder.service, recorder.context.context_missing)
    recorder.service = "direct"
    recorder.context.context_missing = "IGNORE_ERROR"
    x.note(recorder.service, recorder.context.context_missing)
    os.environ["AWS_XRAY_SDK_ENABLED"] = "No"
    global_sdk_config.set_sdk_enabled(True)
    x.note(global_sdk_config.sdk_enabled())
    os.environ["AWS_XRAY_SDK_ENABLED"] = "nonsense"
    global_sdk_config.set_sdk_enabled(False)
    x.note(global_sdk_config.sdk_enabled())


def plugins_by_name(x):
    x.note([each.__name__ for each in get_plugin_modules(("EC2Plugin", "ecs_plugin"))])
    x.attempt(get_plugin_modules, ())
    x.attempt(get_plugin_modules, ("nonsense",))


def plugins_of_the_recorder(x):
    from aws_xray_sdk.core.plugins import ec2_plugin, elasticbeanstalk_plugin

    answers = [
        "token",
        '{"instanceId": "i", "availabilityZone": "z", "instanceType": "t", "imageId": "a"}',
    ]
    ec2_plugin.do_request = lambda *args, **kwargs: answers.pop(0)
    path = Path("environment.conf")
    path.write_text('{"environment_name": "e", "version_label": "v", "deployment_id": 5}')
    elasticbeanstalk_plugin.CONF_PATH = str(path)
    x.recorder.configure(plugins=("EC2Plugin", "ElasticBeanstalkPlugin"))
    with x.recorder.in_segment("a") as segment:
        x.note(segment.origin, sorted(segment.aws))
    x.recorder.configure(plugins=())
    with x.recorder.in_segment("b") as segment:
        x.note(hasattr(segment, "origin"))


def a_container(x):
    from aws_xray_sdk.core.plugins import ecs_plugin

    os.environ["ECS_CONTAINER_METADATA_URI_V4"] = "http://169.254.170.2/v4"
    ecs_plugin.initialize()
    x.note(sorted(ecs_plugin.runtime_context), ecs_plugin.ORIGIN, ecs_plugin.SERVICE_NAME)
    del os.environ["ECS_CONTAINER_METADATA_URI_V4"]
    ecs_plugin.initialize()
    x.note(bool(ecs_plugin.runtime_context))


_TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled="


def lambda_invocations(x):
    os.environ["LAMBDA_TASK_ROOT"] = "/var/task"
    recorder = AWSXRayRecorder()
    recorder.configure(emitter=x.emitter)
    x.note(type(recorder.context).__name__, recorder.streaming_threshold)
    x.note(type(recorder.sampler).__name__, recorder.context.context_missing)
    os.environ["_X_AMZN_TRACE_ID"] = _TRACE + "1;Lineage=a:0"
    with recorder.in_subsegment("handler"):
        with recorder.in_subsegment("part"):
            pass
    x.note(type(recorder.current_segment()).__name__, recorder.is_sampled())
    found = {}
    util.inject_trace_header(found, recorder.current_segment())
    x.note(found)
    os.environ["_X_AMZN_TRACE_ID"] = _TRACE.replace("1-5759", "1-6759") + "0"
    with recorder.in_subsegment("handler") as subsegment:
        x.note(type(subsegment).__name__)


def lambda_leftovers(x):
    os.environ["LAMBDA_TASK_ROOT"] = "/var/task"
    recorder = AWSXRayRecorder()
    recorder.configure(emitter=x.emitter)
    os.environ["_X_AMZN_TRACE_ID"] = _TRACE + "1"
    recorder.begin_subsegment("never ended")
    os.environ["_X_AMZN_TRACE_ID"] = _TRACE.replace("1-5759", "1-6759") + "1"
    with recorder.in_subsegment("next") as subsegment:
        x.note(subsegment.parent_id, subsegment.trace_id)


def lambda_threads(x):
    os.environ["LAMBDA_TASK_ROOT"] = "/var/task"
    os.environ["_X_AMZN_TRACE_ID"] = _TRACE + "1"
    recorder = AWSXRayRecorder()
    recorder.configure(emitter=x.emitter)

    def by_itself():
        with recorder.in_subsegment("by itself"):
            pass

    def handed(subsegment):
        recorder.set_trace_entity(subsegment)
        with recorder.in_subsegment("handed") as inner:
            x.note(inner.parent_id == subsegment.id)
        recorder.clear_trace_entities()

    with recorder.in_subsegment("handler") as subsegment:
        for work, *args in ((by_itself,), (handed, subsegment)):
            thread = threading.Thread(target=work, args=args)
            thread.start()
            thread.join()
        x.note(recorder.current_subsegment() is subsegment)
        x.note([each.name for each in recorder.context._local.entities])


def lambda_captures(x):
    os.environ["LAMBDA_TASK_ROOT"] = "/var/task"
    recorder = AWSXRayRecorder()
    recorder.configure(emitter=x.emitter)

    @recorder.capture("generator")
    def generator():
        yield 1
        yield 2

    @recorder.capture("handler")
    def handler():
        recorder.put_annotation("k", "v")
        return recorder.current_segment().trace_id

    for trace, sampled in ("51", "60", "51"):
        header = _TRACE.replace("1-5759", f"1-{trace}759") + sampled
        os.environ["_X_AMZN_TRACE_ID"] = header
        x.note(handler(), list(generator()), recorder.current_subsegment())


def lambda_without_a_header(x):
    os.environ["LAMBDA_TASK_ROOT"] = "/var/task"
    recorder = AWSXRayRecorder()
    recorder.configure(emitter=x.emitter)
    with recorder.in_subsegment("at init") as subsegment:
        x.note(type(subsegment).__name__, recorder.current_subsegment())
    x.note(type(recorder.current_segment()).__name__)


def lambda_segments(x):
    os.environ["LAMBDA_TASK_ROOT"] = "/var/task"
    os.environ["_X_AMZN_TRACE_ID"] = _TRACE + "1"
    recorder = AWSXRayRecorder()
    recorder.configure(emitter=x.emitter)
    with recorder.in_segment("mine"):
        with recorder.in_subsegment("part"):
            pass
    x.attempt(recorder.put_annotation, "a", 1)


def lambda_context_by_hand(x):
    x.note(check_in_lambda())
    os.environ["_X_AMZN_TRACE_ID"] = _TRACE + "1"
    context = LambdaContext()
    segment = context.get_trace_entity()
    x.note(segment.id, segment.trace_id, segment.sampled, segment.initializing, segment.name)
    one = Subsegment("one", "local", segment)
    context.put_subsegment(one)
    x.note(context.get_trace_entity() is one, one.parent_id, context._local.segment is segment)
    x.note(context.end_subsegment(), context.get_trace_entity() is segment, one.in_progress)
    context.context_missing = "RUNTIME_ERROR"
    x.note(context.context_missing, context.handle_context_missing())
    context.put_segment(Segment("x"))
    context.end_segment()
    x.note(context.get_trace_entity() is segment)


def facades(x):
    segment = FacadeSegment("f", "1" * 16, "t", True)
    x.note(
        segment.initializing, segment.ready_to_send(), FacadeSegment("f", None, "t", 1).initializing
    )
    for name, args in (
        ("close", ()),
        ("put_annotation", ("a", 1)),
        ("put_metadata", ("a", 1)),
        ("put_http_meta", ("status", 1)),
        ("set_aws", ({},)),
        ("set_user", ("u",)),
        ("add_fault_flag", ()),
        ("add_error_flag", ()),
        ("add_throttle_flag", ()),
        ("add_exception", (ValueError(), [])),
        ("apply_status_code", (500,)),
        ("serialize", ()),
        ("set_service", ({},)),
        ("set_rule_name", ("r",)),
    ):
        x.attempt(getattr(segment, name), *args)
    segment.increment()
    x.note(segment.ref_counter.get_current(), segment.get_total_subsegments_size())


def ids(x):
    x.note(len(TraceId().to_id()), TraceId().to_id()[:2], NoOpTraceId().to_id())
    os.environ["AWS_XRAY_NOOP_ID"] = "False"
    with x.recorder.in_segment("a", sampling=0) as segment:
        x.note(segment.trace_id.startswith("1-00000000"), len(segment.id))


def small_utilities(x):
    counter = AtomicCounter(5)
    x.note(counter.increment(), counter.decrement(2), counter.get_current(), counter.reset())
    for pattern, text in (
        ("*", "a"),
        ("a?c", "abc"),
        ("a?c", "ac"),
        ("", ""),
        ("", "a"),
        (None, "a"),
        ("a", None),
        ("A*", "abc"),
        ("*.a.*", "x.a.y"),
    ):
        x.note(wildcard_match(pattern, text))
    x.note(wildcard_match("A", "a", case_insensitive=False))
    for message in (
        {"attributes": {"AWSTraceHeader": "Root=1;Sampled=1"}},
        {"attributes": {"AWSTraceHeader": "Root=1;Sampled=0"}},
        {"attributes": {}},
    ):
        x.note(SqsMessageHelper.isSampled(message))
    x.attempt(SqsMessageHelper.isSampled, {})

    class Thing:
        def method(self): ...

        @classmethod
        def for_class(cls): ...

        @staticmethod
        def static(): ...

    for name in ("method", "for_class", "static"):
        function = getattr(Thing, name)
        x.note(is_classmethod(function), is_instance_method(Thing, name, function))


def conversions(x):
    class Ast:
        def _ast(self):
            return {"a": 1}

    for value in (1, "a", None, [1, (2,)], {"a": {"b": 1}}, int, Ast(), {"a": Ast()}):
        x.note(metadata_to_dict(value))


_MODULE = """
def function():
    return "f"

def generator():
    yield 1

class Thing:
    def __init__(self):
        self.x = 1
    def method(self):
        return self.x
    @classmethod
    def for_class(cls):
        return 1
    @staticmethod
    def static():
        return 2
    @property
    def prop(self):
        return 3
    class Inner:
        def method(self):
            return 4
"""


def patching_own_modules(x):
    Path("mine").mkdir(exist_ok=True)
    Path("mine/__init__.py").write_text("def top(): return 1\n")
    Path("mine/part.py").write_text(_MODULE)
    Path("mine/ignored.py").write_text("def untouched(): return 2\n")
    patcher.patch(["mine"], ignore_module_patterns=["mine.ignored"])
    x.note(sorted(patcher._PATCHED_MODULES), "mine" in sys.modules)
    import mine
    import mine.ignored
    import mine.part

    with x.recorder.in_segment("a"):
        mine.top()
        mine.ignored.untouched()
        mine.part.function()
        thing = mine.part.Thing()
        x.note(thing.method(), thing.for_class(), thing.static(), thing.prop)
        x.note(mine.part.Thing.Inner().method())


def patching_what_there_is_not(x):
    for names in (["nonsense"], ["nonsense", "requests"], [".relative"]):
        try:
            patcher.patch(names)
        except Exception as error:
            x.note([type(error).__name__, str(error)])
    x.note(sorted(patcher._PATCHED_MODULES))
    x.note(sorted(patcher.SUPPORTED_MODULES), sorted(patcher.NO_DOUBLE_PATCH))


def patching_twice(x):
    import sqlite3

    patcher.patch(["sqlite3"])
    once = sqlite3.connect
    patcher.patch(["sqlite3"])
    x.note(sqlite3.connect is once, sorted(patcher._PATCHED_MODULES))
    global_sdk_config.set_sdk_enabled(False)
    patcher.patch(["requests"])
    x.note(sorted(patcher._PATCHED_MODULES))


_ = random

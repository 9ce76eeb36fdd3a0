"""The table: every module of aws_xray_sdk 2.15.0, and the names that belong there.

    "core.context": "= core/context.py: Context ...",      code of its own, in a file of this folder
    "core.models.segment": "core.models.entity: Segment",  names that are defined elsewhere

A module has the names that its file imports, too. What stands below another is in its package.
"""

from __future__ import annotations

PACKAGE = "aws_xray_sdk"

SURFACE = {
    "": "sdk_config: SDKConfig global_sdk_config",
    "sdk_config": "= sdk_config.py: SDKConfig",
    "version": "= version.py: VERSION",
    # -- core -----------------------------------------------------------------------------------
    "core": "= core/__init__.py: AWSXRayRecorder AsyncAWSXRayRecorder patch patch_all xray_recorder",
    "core.recorder": "= core/recorder.py: AWSXRayRecorder"
    " TRACING_NAME_KEY DAEMON_ADDR_KEY CONTEXT_MISSING_KEY XRAY_META SERVICE_INFO",
    "core.async_recorder": "= core/async_recorder.py: AsyncAWSXRayRecorder"
    " AsyncSegmentContextManager AsyncSubsegmentContextManager",
    "core.context": "= core/context.py: Context"
    " MISSING_SEGMENT_MSG SUPPORTED_CONTEXT_MISSING CXT_MISSING_STRATEGY_KEY",
    "core.async_context": "= core/async_context.py: AsyncContext TaskLocalStorage task_factory",
    "core.lambda_launcher": "= core/lambda_launcher.py: LambdaContext check_in_lambda"
    " LAMBDA_TRACE_HEADER_KEY LAMBDA_TASK_ROOT_KEY TOUCH_FILE_DIR TOUCH_FILE_PATH",
    "core.daemon_config": "= core/daemon_config.py: DaemonConfig DAEMON_ADDRESS_KEY DEFAULT_ADDRESS",
    "core.patcher": "= core/patcher.py: patch patch_all SUPPORTED_MODULES NO_DOUBLE_PATCH",
    "core.emitters": "",
    "core.emitters.udp_emitter": "= core/emitters/udp_emitter.py: UDPEmitter"
    " PROTOCOL_HEADER PROTOCOL_DELIMITER DEFAULT_DAEMON_ADDRESS",
    "core.streaming": "",
    "core.streaming.default_streaming": "= core/streaming/default_streaming.py: DefaultStreaming",
    "core.exceptions": "",
    "core.exceptions.exceptions": "= core/exceptions/exceptions.py: InvalidSamplingManifestError"
    " SegmentNotFoundException InvalidDaemonAddressException SegmentNameMissingException"
    " SubsegmentNameMissingException FacadeSegmentMutationException MissingPluginNames"
    " AlreadyEndedException",
    # -- what is recorded -------------------------------------------------------------------------
    "core.models": "",
    "core.models.entity": "= core/models/entity.py: Entity ORIGIN_TRACE_HEADER_ATTR_KEY",
    "core.models.segment": "= core/models/segment.py: Segment SegmentContextManager"
    " ORIGIN_TRACE_HEADER_ATTR_KEY",
    "core.models.subsegment": "= core/models/subsegment.py: Subsegment SubsegmentContextManager"
    " SUBSEGMENT_RECORDING_ATTRIBUTE set_as_recording is_already_recording subsegment_decorator",
    "core.models.dummy_entities": "= core/models/dummy_entities.py: DummySegment DummySubsegment",
    "core.models.facade_segment": "= core/models/facade_segment.py: FacadeSegment"
    " MUTATION_UNSUPPORTED_MESSAGE",
    "core.models.throwable": "= core/models/throwable.py: Throwable",
    "core.models.http": "= core/models/http.py: URL METHOD USER_AGENT CLIENT_IP X_FORWARDED_FOR STATUS"
    " CONTENT_LENGTH XRAY_HEADER ALT_XRAY_HEADER request_keys response_keys",
    "core.models.traceid": "= core/models/traceid.py: TraceId",
    "core.models.noop_traceid": "= core/models/noop_traceid.py: NoOpTraceId",
    "core.models.trace_header": "= core/models/trace_header.py: TraceHeader"
    " ROOT PARENT SAMPLE SELF HEADER_DELIMITER",
    "core.models.default_dynamic_naming": "= core/models/default_dynamic_naming.py:"
    " DefaultDynamicNaming",
    # -- sampling ---------------------------------------------------------------------------------
    "core.sampling": "",
    "core.sampling.sampler": "= core/sampling/sampler.py: DefaultSampler LocalSampler",
    "core.sampling.sampling_rule": "= core/sampling/sampling_rule.py: SamplingRule",
    "core.sampling.reservoir": "= core/sampling/reservoir.py: Reservoir ReservoirDecision",
    "core.sampling.rule_cache": "= core/sampling/rule_cache.py: RuleCache TTL",
    "core.sampling.rule_poller": "= core/sampling/rule_poller.py: RulePoller DEFAULT_INTERVAL",
    "core.sampling.target_poller": "= core/sampling/target_poller.py: TargetPoller",
    "core.sampling.connector": "= core/sampling/connector.py: ServiceConnector",
    "core.sampling.local": "",
    "core.sampling.local.sampler": "= core/sampling/local/sampler.py: LocalSampler"
    " local_sampling_rule SUPPORTED_RULE_VERSION",
    "core.sampling.local.sampling_rule": "= core/sampling/local/sampling_rule.py: SamplingRule",
    "core.sampling.local.reservoir": "= core/sampling/local/reservoir.py: Reservoir",
    # -- plugins and utilities --------------------------------------------------------------------
    "core.plugins": "",
    "core.plugins.utils": "= core/plugins/utils.py: get_plugin_modules PLUGIN_MAPPING module_prefix",
    "core.plugins.ec2_plugin": "= core/plugins/ec2_plugin.py: initialize get_token get_metadata"
    " parse_metadata_json do_request SERVICE_NAME ORIGIN IMDS_URL",
    "core.plugins.ecs_plugin": "= core/plugins/ecs_plugin.py: initialize SERVICE_NAME ORIGIN",
    "core.plugins.elasticbeanstalk_plugin": "= core/plugins/elasticbeanstalk_plugin.py: initialize"
    " CONF_PATH SERVICE_NAME ORIGIN",
    "core.utils": "",
    "core.utils.atomic_counter": "= core/utils/atomic_counter.py: AtomicCounter",
    "core.utils.compat": "= core/utils/compat.py: is_classmethod is_instance_method"
    " annotation_value_types",
    "core.utils.conversion": "= core/utils/conversion.py: metadata_to_dict",
    "core.utils.search_pattern": "= core/utils/search_pattern.py: wildcard_match",
    "core.utils.sqs_message_helper": "= core/utils/sqs_message_helper.py: SqsMessageHelper"
    " SQS_XRAY_HEADER",
    "core.utils.stacktrace": "= core/utils/stacktrace.py: get_stacktrace",
    # -- libraries and frameworks -----------------------------------------------------------------
    "ext": "",
    "ext.util": "= ext/util.py: inject_trace_header calculate_sampling_decision"
    " construct_xray_header calculate_segment_name prepare_response_header to_snake_case strip_url"
    " get_hostname unwrap UNKNOWN_HOSTNAME first_cap_re all_cap_re",
    "ext.boto_utils": "= ext/boto_utils.py: inject_header aws_meta_processor whitelist",
    "ext.dbapi2": "= ext/dbapi2.py: XRayTracedConn XRayTracedCursor add_sql_meta",
    "ext.aiobotocore": "ext.aiobotocore.patch: patch",
    "ext.aiobotocore.patch": "= ext/aiobotocore.py: patch",
    "ext.aiohttp": "",
    "ext.aiohttp.client": "= ext/aiohttp_client.py: aws_xray_trace_config begin_subsegment"
    " end_subsegment end_subsegment_with_exception REMOTE_NAMESPACE LOCAL_NAMESPACE LOCAL_EXCEPTIONS",
    "ext.aiohttp.middleware": "= ext/aiohttp_middleware.py: middleware",
    "ext.botocore": "ext.botocore.patch: patch",
    "ext.botocore.patch": "= ext/botocore.py: patch",
    "ext.bottle": "",
    "ext.bottle.middleware": "= ext/bottle.py: XRayMiddleware",
    "ext.django": "= ext/django.py: default_app_config",
    "ext.django.apps": "= ext/django_apps.py: XRayConfig",
    "ext.django.conf": "= ext/django_conf.py: settings XRaySettings reload_settings DEFAULTS"
    " XRAY_NAMESPACE SUPPORTED_ENV_VARS",
    "ext.django.db": "= ext/django_db.py: patch_db DjangoXRayTracedCursor",
    "ext.django.middleware": "= ext/django_middleware.py: XRayMiddleware USER_AGENT_KEY"
    " X_FORWARDED_KEY REMOTE_ADDR_KEY HOST_KEY CONTENT_LENGTH_KEY",
    "ext.django.templates": "= ext/django_templates.py: patch_template",
    "ext.flask": "",
    "ext.flask.middleware": "= ext/flask.py: XRayMiddleware",
    "ext.flask_sqlalchemy": "",
    "ext.flask_sqlalchemy.query": "= ext/flask_sqlalchemy.py: XRayFlaskSqlAlchemy XRayBaseQuery"
    " XRaySignallingSession",
    "ext.httplib": "ext.httplib.patch: patch unpatch add_ignored reset_ignored",
    "ext.httplib.patch": "= ext/httplib.py: patch unpatch add_ignored reset_ignored PATCH_FLAG"
    " httplib_client_module http_response_processor http_send_request_processor http_read_processor",
    "ext.httpx": "ext.httpx.patch: patch",
    "ext.httpx.patch": "= ext/httpx.py: patch SyncInstrumentedTransport AsyncInstrumentedTransport",
    "ext.mysql": "ext.mysql.patch: patch",
    "ext.mysql.patch": "= ext/mysql.py: patch sanitize_db_ver MYSQL_ATTR",
    "ext.pg8000": "ext.pg8000.patch: patch unpatch",
    "ext.pg8000.patch": "= ext/pg8000.py: patch unpatch",
    "ext.psycopg": "ext.psycopg.patch: patch",
    "ext.psycopg.patch": "= ext/psycopg.py: patch",
    "ext.psycopg2": "ext.psycopg2.patch: patch",
    "ext.psycopg2.patch": "= ext/psycopg2.py: patch",
    "ext.pymongo": "ext.pymongo.patch: patch",
    "ext.pymongo.patch": "= ext/pymongo.py: patch XrayCommandListener",
    "ext.pymysql": "ext.pymysql.patch: patch unpatch",
    "ext.pymysql.patch": "= ext/pymysql.py: patch unpatch sanitize_db_ver",
    "ext.pynamodb": "ext.pynamodb.patch: patch",
    "ext.pynamodb.patch": "= ext/pynamodb.py: patch pynamodb_meta_processor PYNAMODB4",
    "ext.requests": "ext.requests.patch: patch",
    "ext.requests.patch": "= ext/requests.py: patch requests_processor",
    "ext.sqlalchemy": "",
    "ext.sqlalchemy.query": "= ext/sqlalchemy_query.py: XRaySession XRayQuery XRaySessionMaker",
    "ext.sqlalchemy.util": "",
    "ext.sqlalchemy.util.decorators": "= ext/sqlalchemy_decorators.py: decorate_all_functions"
    " xray_on_call parse_bind",
    "ext.sqlalchemy_core": "ext.sqlalchemy_core.patch: patch unpatch",
    "ext.sqlalchemy_core.patch": "= ext/sqlalchemy_core.py: patch unpatch",
    "ext.sqlite3": "ext.sqlite3.patch: patch",
    "ext.sqlite3.patch": "= ext/sqlite3.py: patch XRayTracedSQLite",
}
"""Path below the package -> what is there."""

_EXCEPTIONS = "core.exceptions.exceptions"
_SERVED = {"stacktrace": "core.utils.stacktrace.", "LambdaContext": "core.lambda_launcher"}
_WRAPT = {"wrapt": ""}
_UNWRAP = {"unwrap": "ext.util", "wrapt": ""}

IMPORTED: dict[str, dict[str, str]] = {
    "core.recorder": {
        "SERVICE_INFO": "core.service_info",
        "SegmentNotFoundException": _EXCEPTIONS,
        "UDPEmitter": "core.emitters.udp_emitter",
        "get_plugin_modules": "core.plugins.utils",
        "json": "",
        "platform": "",
        "stacktrace": "core.utils.stacktrace.",
        "traceback": "",
    },
    "core.async_recorder": {
        "is_already_recording": "core.models.subsegment",
        "stacktrace": "core.utils.stacktrace.",
        "subsegment_decorator": "core.models.subsegment",
        "time": "",
    },
    "core.lambda_launcher": {"threading": ""},
    "core.patcher": {"inspect": "", "pkgutil": "", "wrapt": ""},
    "core.streaming.default_streaming": {"threading": ""},
    "core.models.entity": {"binascii": "", "json": "", "string": "", "time": ""},
    "core.models.segment": {
        "AtomicCounter": "core.utils.atomic_counter",
        "TraceId": "core.models.traceid",
        "traceback": "",
    },
    "core.models.subsegment": {"copy": "", "traceback": "", "wrapt": ""},
    "core.models.throwable": {"binascii": "", "copy": ""},
    "core.models.traceid": {"binascii": "", "os": "", "time": ""},
    "core.sampling.sampler": {"LocalSampler": "core.sampling.local.sampler", "threading": ""},
    "core.sampling.sampling_rule": {"threading": ""},
    "core.sampling.reservoir": {"threading": ""},
    "core.sampling.rule_cache": {"threading": ""},
    "core.sampling.rule_poller": {"threading": ""},
    "core.sampling.target_poller": {"threading": "", "time": ""},
    "core.sampling.connector": {"binascii": "", "botocore": "", "os": ""},
    "core.sampling.local.reservoir": {"threading": ""},
    "core.utils.atomic_counter": {"threading": ""},
    "core.utils.compat": {"inspect": ""},
    "ext.util": _WRAPT,
    "ext.boto_utils": {"SegmentNotFoundException": _EXCEPTIONS},
    "ext.aiobotocore.patch": _WRAPT,
    "ext.aiohttp.client": {"stacktrace": "core.utils.stacktrace."},
    "ext.aiohttp.middleware": {"stacktrace": "core.utils.stacktrace."},
    "ext.botocore.patch": _WRAPT,
    "ext.bottle.middleware": _SERVED,
    "ext.django.db": {"copy": "", "importlib": ""},
    "ext.django.middleware": {**_SERVED},
    "ext.flask.middleware": _SERVED,
    "ext.httplib.patch": {"SegmentNotFoundException": _EXCEPTIONS, "urllib3": "", **_UNWRAP},
    "ext.mysql.patch": _WRAPT,
    "ext.pg8000.patch": _UNWRAP,
    "ext.psycopg.patch": {"XRayTracedConn": "ext.dbapi2", "wrapt": ""},
    "ext.psycopg2.patch": {
        "XRayTracedConn": "ext.dbapi2",
        "XRayTracedCursor": "ext.dbapi2",
        "copy": "",
        "re": "",
        "wrapt": "",
    },
    "ext.pymysql.patch": _UNWRAP,
    "ext.pynamodb.patch": _WRAPT,
    "ext.requests.patch": _WRAPT,
    "ext.sqlalchemy.util.decorators": {"re": "", "strip_url": "ext.util"},
    "ext.sqlalchemy_core.patch": {"stacktrace": "core.utils.stacktrace.", "sys": "", **_UNWRAP},
    "ext.sqlite3.patch": _WRAPT,
}
"""Names that a module has because the official one imports them: mock.patch() may ask for them.

Path -> name -> the module of ours that has it; with a dot at the end it is that module; without one,
the name is that of a library. They are imported when somebody asks.
"""

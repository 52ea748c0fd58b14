"""What generated code may name: the tables of the code gate, as data.

Everything that is not listed here is refused. Values reachable through these names can only be built-in values,
values of listed classes, and what the checked file itself defines; so the attributes that lead from a value to the
interpreter (`DENIED_ATTRIBUTES`, every name with two underscores) form a closed list.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


WITHHELD_ERRORS = _names("BaseException BaseExceptionGroup SystemExit KeyboardInterrupt GeneratorExit")
"""Catching or raising these would interfere with whoever runs the code."""

WIDE_ERRORS = _names("Exception ExceptionGroup RuntimeError RecursionError MemoryError")
"""Who catches one of these catches what the machine lacks (stack, memory), and decides by how much of it there is."""

EXCEPTIONS = frozenset(
    name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, BaseException)
)

BUILTINS = (
    _names(
        """
        abs all any ascii bin bool bytearray bytes callable chr classmethod complex dict divmod enumerate filter float
        format frozenset hex int isinstance issubclass iter len list map max min next object oct ord pow property
        range repr reversed round set slice sorted staticmethod str sum super tuple zip
        NotImplemented Ellipsis
        """
    )
    | EXCEPTIONS
) - WITHHELD_ERRORS
"""Built-in names that may be used as values."""

GUARDED_CALLS = _names("type getattr hasattr hash")
"""Built-ins that may only be called on the spot, in the form that `walk.py` states for each."""

DYNAMIC_BUILTINS: Mapping[str, str] = {
    "eval": "code.dynamic",
    "exec": "code.dynamic",
    "compile": "code.dynamic",
    "__import__": "code.dynamic",
    "__builtins__": "code.dynamic",
    "__build_class__": "code.dynamic",
    "__loader__": "code.dynamic",
    "__spec__": "code.dynamic",
    "globals": "code.reflection",
    "locals": "code.reflection",
    "vars": "code.reflection",
    "dir": "code.reflection",
    "getattr": "code.reflection",
    "hasattr": "code.reflection",
    "setattr": "code.reflection",
    "delattr": "code.reflection",
    "type": "code.reflection",
    "memoryview": "code.reflection",
    "id": "code.nondeterminism",
    "hash": "code.nondeterminism",
    "open": "code.files",
    "input": "code.effect",
    "print": "code.effect",
    "breakpoint": "code.debug",
    "help": "code.debug",
    "exit": "code.effect",
    "quit": "code.effect",
    "copyright": "code.effect",
    "credits": "code.effect",
    "license": "code.effect",
    "aiter": "code.effect",
    "anext": "code.effect",
}
"""Built-ins that are refused, with the rule that says why."""

ORDINARY_NAMES = _names("id input hash license help copyright credits")
"""Built-ins whose names are ordinary words: a file may bind them, and must still not call them."""

MODULE_NAMES = _names("__name__ __doc__ __all__ __version__ __author__ __debug__")
"""Module names with two underscores that are harmless (`__all__`, `__version__`, `__author__` may be bound)."""

ATTRIBUTES_WITH_UNDERSCORES = _names(
    "__name__ __qualname__ __doc__ __members__ _asdict _replace _fields _make _field_defaults _value_ _name_"
)
"""Attributes that may be read on anything."""

SUPER_METHODS = _names("__init__ __post_init__ __str__ __repr__ __eq__ __hash__ __enter__ __exit__ __init_subclass__")
"""Methods that may be called on `super()`."""

SPECIAL_METHODS = _names(
    """
    __init__ __post_init__ __str__ __repr__ __format__ __eq__ __ne__ __lt__ __le__ __gt__ __ge__ __hash__ __bool__
    __len__ __iter__ __next__ __contains__ __getitem__ __setitem__ __delitem__ __missing__ __reversed__ __call__
    __add__ __radd__ __iadd__ __sub__ __rsub__ __isub__ __mul__ __rmul__ __imul__ __truediv__ __rtruediv__
    __floordiv__ __rfloordiv__ __rmod__ __rpow__ __rdivmod__ __matmul__ __rand__ __ror__ __ixor__
    __iand__ __ior__ __lshift__ __rshift__ __bytes__ __length_hint__
    __mod__ __rmod__ __divmod__ __pow__ __neg__ __pos__ __abs__ __invert__ __and__ __or__
    __xor__ __int__ __float__ __index__ __round__ __floor__ __ceil__ __trunc__ __complex__
    __enter__ __exit__ __aenter__ __aexit__ __aiter__ __anext__ __await__
    _missing_ _generate_next_value_
    """
)
"""Special methods that a class of a file may define."""

OPERATORS = _names(
    """
    __add__ __radd__ __sub__ __rsub__ __mul__ __rmul__ __truediv__ __floordiv__ __mod__ __and__ __rand__ __or__ __ror__
    __xor__ __rxor__ __str__ __repr__ __iter__ __len__ __contains__ __call__ __getitem__ __int__ __float__
    """
)
"""Special methods that a class may give a second name (`__rmul__ = __mul__`)."""

ITEM_METHODS = _names("__getitem__ __contains__ __len__")
"""Methods that say what `x[key]`, `in` and `len` say, where a function is wanted (`key=scores.__getitem__`)."""

CLASS_NAMES = _names("__slots__ _ignore_ __hash__")
"""Names with underscores that a class body may bind."""

DENIED_ATTRIBUTES: Mapping[str, str] = dict.fromkeys(
    [
        "gi_frame",
        "gi_code",
        "gi_yieldfrom",
        "gi_running",
        "gi_suspended",
        "cr_frame",
        "cr_code",
        "cr_await",
        "cr_origin",
        "cr_running",
        "cr_suspended",
        "ag_frame",
        "ag_code",
        "ag_await",
        "ag_running",
        "tb_frame",
        "tb_next",
        "tb_lineno",
        "tb_lasti",
        "f_back",
        "f_builtins",
        "f_code",
        "f_globals",
        "f_lasti",
        "f_lineno",
        "f_locals",
        "f_trace",
        "f_trace_lines",
        "f_trace_opcodes",
        "co_argcount",
        "co_cellvars",
        "co_code",
        "co_consts",
        "co_exceptiontable",
        "co_filename",
        "co_firstlineno",
        "co_flags",
        "co_freevars",
        "co_kwonlyargcount",
        "co_lines",
        "co_linetable",
        "co_lnotab",
        "co_name",
        "co_names",
        "co_nlocals",
        "co_positions",
        "co_posonlyargcount",
        "co_qualname",
        "co_stacksize",
        "co_varnames",
        "func_globals",
        "func_code",
        "func_closure",
        "func_defaults",
        "func_dict",
        "func_name",
        "im_class",
        "im_func",
        "im_self",
        "with_traceback",
        "throw",
        "athrow",
        "asend",
    ],
    "code.frames",
) | dict.fromkeys(
    [
        "mro",
        "fget",
        "fset",
        "fdel",
        "vformat",
        "format_map",
        "get_field",
        "get_value",
        "convert_field",
        "check_unused_args",
        "get_type_hints",
        "get_annotations",
        "modules",
        "meta_path",
        "path_hooks",
        "settrace",
        "setprofile",
        "_getframe",
        "call_tracing",
        "currentframe",
        "getframeinfo",
        "getmembers",
        "getsource",
        "getclosurevars",
        "get_referents",
        "get_referrers",
        "get_objects",
        "pythonapi",
        "CDLL",
        "find_spec",
        "find_module",
        "get_code",
        "get_data",
        "exec_module",
        "load_module",
        "module_from_spec",
        "spec_from_file_location",
        "import_module",
        "resolve_name",
        "run_module",
        "run_path",
        "attrgetter",
        "methodcaller",
    ],
    "code.reflection",
)
"""Attributes that lead from a value to the interpreter."""

EFFECT_ATTRIBUTES: Mapping[str, str] = {
    name: rule
    for rule, names in {
        "code.sql": "execute executemany executescript executesql raw_sql read_sql read_sql_query exec_driver_sql",
        "code.command": """system popen Popen check_output check_call getoutput getstatusoutput spawn spawnl spawnle
            spawnlp spawnlpe spawnv spawnve spawnvp spawnvpe execl execle execlp execlpe execv execve execvp execvpe
            posix_spawn posix_spawnp startfile create_subprocess_shell create_subprocess_exec subprocess_shell
            subprocess_exec exec_command run_command fork forkpty""",
        "code.files": """read_text read_bytes write_text write_bytes unlink rmtree rmdir mkdir makedirs touch chmod
            chown symlink symlink_to hardlink_to link_to extractall copyfile copytree removedirs listdir scandir iterdir
            rglob send_file send_from_directory FileResponse savez fromfile tofile""",
        "code.network": """urlopen urlretrieve sendall sendto recv recvfrom create_connection getaddrinfo
            gethostbyname sendmail send_message open_connection start_server""",
        "code.temporary": "mktemp tempnam tmpnam",
        "code.pickle": "unsafe_load full_load load_all unsafe_load_all full_load_all Unpickler unpickle",
        "code.redirect": "redirect sendRedirect send_redirect RedirectResponse HttpResponseRedirect",
        "code.xml": "fromstring XMLParser XMLPullParser make_parser parseString iterparse fromstringlist",
        "code.template": "render_template_string from_string render_string",
        "code.debug": "set_trace post_mortem runcall interact run_server",
        "code.random": "randint randrange getrandbits randbytes uuid1 uuid4 urandom token_hex token_urlsafe",
        "code.effect": """get_event_loop get_running_loop new_event_loop run_until_complete run_forever run_in_executor
            call_soon call_later get_loop create_task ensure_future setrecursionlimit getenv putenv
            setdefaultencoding""",
    }.items()
    for name in names.split()
}
"""Methods that do something outside, on whatever object; refused unless the file itself defines the method."""

CLOCK_METHODS = _names("now today utcnow")
LOCAL_TIME_METHODS = _names("fromtimestamp utcfromtimestamp")

MUTATORS = _names(
    """append extend insert remove pop clear sort reverse add discard update setdefault popitem appendleft extendleft
    popleft rotate move_to_end subtract intersection_update difference_update symmetric_difference_update"""
)
"""Methods that change their receiver."""

STRANGE_CODECS = _names(
    """unicode_escape unicodeescape raw_unicode_escape rawunicodeescape rot13 rot_13 utf7 utf_7 u7 punycode idna hex
    hex_codec base64 base64_codec bz2 bz2_codec zip zip_codec zlib zlib_codec quopri quopri_codec uu uu_codec undefined
    mbcs oem"""
)

_TYPING = _names(
    """
    Annotated Any AnyStr Awaitable AsyncIterator AsyncIterable AsyncGenerator Callable ClassVar Collection Concatenate
    Container Coroutine Counter DefaultDict Deque Dict Final FrozenSet Generator Generic Hashable Iterable Iterator
    ItemsView KeysView List Literal LiteralString Mapping MappingView Match MutableMapping MutableSequence MutableSet
    NamedTuple Never NewType NoReturn NotRequired Optional OrderedDict ParamSpec Pattern Protocol Required Reversible
    Self Sequence Set Sized SupportsAbs SupportsFloat SupportsInt SupportsIndex SupportsRound Text Tuple Type
    TYPE_CHECKING TypeAlias TypeGuard TypeVar TypeVarTuple TypedDict Union Unpack ValuesView assert_never assert_type
    cast final get_args get_origin overload override reveal_type runtime_checkable ByteString AbstractSet
    ContextManager
    """
)

MODULES: Mapping[str, frozenset[str]] = {
    "__future__": _names(
        "annotations division absolute_import print_function unicode_literals generator_stop with_statement"
    ),
    "abc": _names("ABC ABCMeta abstractmethod abstractproperty abstractclassmethod abstractstaticmethod"),
    "array": _names("array"),
    "ast": _names("literal_eval"),
    "base64": _names(
        """b64encode b64decode urlsafe_b64encode urlsafe_b64decode standard_b64encode standard_b64decode b32encode
        b32decode b32hexencode b32hexdecode b16encode b16decode b85encode b85decode a85encode a85decode encodebytes
        decodebytes"""
    ),
    "binascii": _names("hexlify unhexlify crc32 crc_hqx Error a2b_hex b2a_hex a2b_base64 b2a_base64"),
    "bisect": _names("bisect bisect_left bisect_right insort insort_left insort_right"),
    "calendar": _names(
        """monthrange isleap leapdays weekday monthcalendar month_name month_abbr day_name day_abbr timegm Calendar
        MONDAY TUESDAY WEDNESDAY THURSDAY FRIDAY SATURDAY SUNDAY JANUARY FEBRUARY IllegalMonthError"""
    ),
    "cmath": _names("sqrt exp log phase polar rect pi e isclose isnan isinf isfinite sin cos tan"),
    "collections": _names("ChainMap Counter OrderedDict UserDict UserList UserString abc defaultdict deque namedtuple"),
    "collections.abc": _names(
        """AsyncGenerator AsyncIterable AsyncIterator Awaitable Buffer ByteString Callable Collection Container
        Coroutine
        Generator Hashable ItemsView Iterable Iterator KeysView Mapping MappingView MutableMapping MutableSequence
        MutableSet Reversible Sequence Set Sized ValuesView"""
    ),
    "colorsys": _names("rgb_to_yiq yiq_to_rgb rgb_to_hls hls_to_rgb rgb_to_hsv hsv_to_rgb"),
    "contextlib": _names(
        "suppress contextmanager asynccontextmanager nullcontext closing AbstractContextManager ContextDecorator"
    ),
    "copy": _names("copy deepcopy"),
    "csv": _names(
        """reader writer DictReader DictWriter Error QUOTE_ALL QUOTE_MINIMAL QUOTE_NONNUMERIC QUOTE_NONE excel excel_tab
        unix_dialect Dialect Sniffer"""
    ),
    "dataclasses": _names(
        "dataclass field fields replace asdict astuple is_dataclass FrozenInstanceError KW_ONLY InitVar MISSING Field"
    ),
    "datetime": _names("date datetime time timedelta timezone tzinfo UTC MINYEAR MAXYEAR"),
    "decimal": _names(
        """Decimal Context localcontext DecimalException InvalidOperation DivisionByZero Overflow Underflow Inexact
        Rounded Clamped Subnormal FloatOperation ConversionSyntax DivisionUndefined ROUND_CEILING ROUND_DOWN ROUND_FLOOR
        ROUND_HALF_DOWN ROUND_HALF_EVEN ROUND_HALF_UP ROUND_UP ROUND_05UP MAX_PREC MAX_EMAX MIN_EMIN"""
    ),
    "difflib": _names("SequenceMatcher get_close_matches ndiff unified_diff context_diff Differ IS_LINE_JUNK restore"),
    "email.utils": _names("parseaddr formataddr getaddresses parsedate parsedate_tz parsedate_to_datetime mktime_tz"),
    "enum": _names(
        """Enum IntEnum StrEnum Flag IntFlag ReprEnum auto unique member nonmember property verify UNIQUE CONTINUOUS
        NAMED_FLAGS EnumMeta EnumType"""
    ),
    "fnmatch": _names("fnmatchcase filter"),
    "fractions": _names("Fraction gcd"),
    "functools": _names(
        """reduce partial lru_cache cache cached_property cmp_to_key total_ordering wraps singledispatch
        singledispatchmethod partialmethod"""
    ),
    "graphlib": _names("TopologicalSorter CycleError"),
    "hashlib": _names(
        """sha224 sha256 sha384 sha512 sha3_224 sha3_256 sha3_384 sha3_512 shake_128 shake_256 blake2b blake2s
        pbkdf2_hmac scrypt new"""
    ),
    "heapq": _names("heappush heappop heapify heapreplace heappushpop nlargest nsmallest merge"),
    "hmac": _names("new compare_digest digest HMAC"),
    "html": _names("escape unescape"),
    "html.parser": _names("HTMLParser"),
    "http": _names("HTTPStatus HTTPMethod"),
    "io": _names("StringIO BytesIO TextIOWrapper TextIOBase"),
    "ipaddress": _names(
        """ip_address ip_network ip_interface IPv4Address IPv6Address IPv4Network IPv6Network IPv4Interface
        IPv6Interface AddressValueError NetmaskValueError summarize_address_range collapse_addresses"""
    ),
    "itertools": _names(
        """accumulate batched chain combinations combinations_with_replacement compress count cycle dropwhile
        filterfalse groupby islice pairwise permutations product repeat starmap takewhile tee zip_longest"""
    ),
    "json": _names("loads dumps JSONDecodeError JSONDecoder JSONEncoder"),
    "json.decoder": _names("JSONDecodeError JSONDecoder"),
    "keyword": _names("iskeyword kwlist"),
    "math": frozenset(name for name in dir(__import__("math")) if not name.startswith("_")),
    "numbers": _names("Number Complex Real Rational Integral"),
    "operator": frozenset(
        [
            "abs",
            "add",
            "and_",
            "concat",
            "contains",
            "countOf",
            "eq",
            "floordiv",
            "ge",
            "getitem",
            "gt",
            "index",
            "indexOf",
            "inv",
            "invert",
            "is_",
            "is_not",
            "itemgetter",
            "le",
            "lshift",
            "lt",
            "matmul",
            "mod",
            "mul",
            "ne",
            "neg",
            "not_",
            "or_",
            "pos",
            "pow",
            "rshift",
            "sub",
            "truediv",
            "truth",
            "xor",
            "attrgetter",
            "methodcaller",
            "length_hint",
        ]
    ),
    "os.path": _names("basename dirname splitext split normpath commonprefix join isabs"),
    "posixpath": _names("basename dirname splitext split normpath commonprefix join isabs"),
    "ntpath": _names("basename dirname splitext split normpath join isabs"),
    "pathlib": _names("PurePath PurePosixPath PureWindowsPath"),
    "pprint": _names("pformat"),
    "re": _names(
        """compile match search fullmatch sub subn split findall finditer escape error Pattern Match RegexFlag
        A ASCII I IGNORECASE L LOCALE M MULTILINE S DOTALL U UNICODE X VERBOSE NOFLAG"""
    ),
    "reprlib": _names("repr"),
    "shlex": _names("split quote join shlex"),
    "statistics": _names(
        """mean fmean geometric_mean harmonic_mean median median_low median_high median_grouped mode multimode quantiles
        stdev pstdev variance pvariance covariance correlation linear_regression StatisticsError"""
    ),
    "string": _names(
        "ascii_letters ascii_lowercase ascii_uppercase digits hexdigits octdigits punctuation printable whitespace "
        "capwords Template"
    ),
    "struct": _names("pack unpack unpack_from calcsize iter_unpack Struct error"),
    "sys": _names("maxsize float_info maxunicode"),
    "textwrap": _names("dedent fill indent shorten wrap TextWrapper"),
    "time": frozenset(),
    "tomllib": _names("loads TOMLDecodeError"),
    "types": _names("MappingProxyType SimpleNamespace NoneType NotImplementedType EllipsisType"),
    "typing": _TYPING,
    "unicodedata": _names(
        """normalize is_normalized category name lookup numeric decimal digit combining bidirectional east_asian_width
        mirrored decomposition"""
    ),
    "urllib.parse": _names(
        """urlparse urlsplit urlunparse urlunsplit urljoin urldefrag urlencode quote quote_plus unquote unquote_plus
        parse_qs parse_qsl ParseResult SplitResult quote_from_bytes unquote_to_bytes"""
    ),
    "uuid": _names("UUID uuid5 NAMESPACE_DNS NAMESPACE_URL NAMESPACE_OID NAMESPACE_X500 SafeUUID"),
    "xml.sax.saxutils": _names("escape unescape quoteattr"),
    "zlib": _names("crc32 adler32"),
    "zoneinfo": _names("ZoneInfo ZoneInfoNotFoundError"),
}
"""The pure part of the standard library, name by name. What these modules imported themselves is not in it."""

SCRIPT_MODULES: Mapping[str, frozenset[str]] = {
    "sys": _names("maxsize float_info maxunicode exit argv version version_info"),
    "asyncio": _names("run gather"),
    "time": _names("perf_counter time monotonic"),
    "traceback": _names("print_exc format_exc"),
    "json": _names("loads dumps JSONDecodeError"),
    "pprint": _names("pprint pformat"),
    "unittest": _names("TestCase main"),
    "doctest": _names("testmod"),
}
"""What the block under `if __name__ == "__main__"` may use besides: it never runs when the module is imported."""

SCRIPT_BUILTINS = _names("print SystemExit exit KeyboardInterrupt")

AWAITED_MODULES: Mapping[str, frozenset[str]] = {"asyncio": _names("gather")}
"""Allowed in a file if awaited on the spot."""

MODULE_RULES: Mapping[str, str] = {
    name: rule
    for rule, names in {
        "code.command": "subprocess os pty commands sh pexpect paramiko fabric plumbum shutil posix nt",
        "code.files": "pathlib glob zipfile tarfile fileinput io aiofiles gzip bz2 lzma mmap fcntl shelve_ linecache",
        "code.network": """requests urllib urllib2 urllib3 httpx aiohttp socket ssl http ftplib smtplib telnetlib
            poplib imaplib nntplib socketserver xmlrpc websocket websockets grpc pycurl asyncore boto3""",
        "code.sql": """sqlite3 psycopg psycopg2 psycopg3 pymysql MySQLdb mysql sqlalchemy asyncpg aiosqlite cx_Oracle
            oracledb pyodbc peewee pymongo pandas duckdb records django""",
        "code.pickle": """pickle _pickle cPickle dill cloudpickle marshal shelve yaml jsonpickle joblib torch numpy
            copyreg""",
        "code.xml": "xml lxml xmltodict defusedxml bs4 expat pyexpat html5lib untangle",
        "code.template": "jinja2 mako tornado chameleon genshi Cheetah pystache",
        "code.crypto": "Crypto Cryptodome cryptography crypt md5 sha ecdsa rsa nacl OpenSSL M2Crypto passlib bcrypt",
        "code.signature": "jwt jose authlib python_jwt itsdangerous saml2 onelogin",
        "code.random": "random secrets numpy.random",
        "code.temporary": "tempfile",
        "code.redirect": "flask fastapi starlette bottle werkzeug aiohttp.web",
        "code.debug": "pdb bdb ipdb pudb code codeop cProfile profile trace timeit faulthandler",
        "code.dynamic": """importlib imp runpy builtins pkgutil zipimport ctypes cffi types codecs dis opcode
            compileall py_compile symtable""",
        "code.reflection": "inspect gc sys traceback weakref site sysconfig __main__ tracemalloc",
        "code.effect": """logging warnings threading multiprocessing concurrent asyncio signal atexit queue sched
            selectors select time locale getpass readline curses tkinter webbrowser resource platform""",
    }.items()
    for name in names.split()
}
"""Which rule answers for a refused module (longest dotted prefix); others fall under `code.import`."""

REMEDIES: Mapping[str, str] = {
    "pathlib": "Use PurePath, PurePosixPath or PureWindowsPath for paths as text",
    "os": "For path text use posixpath or pathlib.PurePosixPath; everything else of os is an effect",
    "random": "A decision must be reproducible: derive choices from the input",
    "secrets": "Ids and secrets are effects: let a step supply them",
    "time": "The clock is an effect: take the time as an input",
    "logging": "Return what there is to say; the run store is the log",
    "requests": "Take the response as an input; fetching is a step of its own",
    "sqlite3": "Take the rows as an input; a query is a `call` step with named parameters",
    "yaml": "Take the decoded values as an input, or use json",
    "pickle": "Use json",
    "asyncio": "Write a plain function; only an awaited asyncio.gather is allowed",
}

ALL_PURE_MODULES = frozenset(MODULES) | {"compiled_ai.library.*"}
"""The widest list that a plan may choose from (an artifact's functions are judged against it when it is loaded)."""

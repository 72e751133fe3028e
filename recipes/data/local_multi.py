"""The paper's five other languages from a short list of Debian and npm packages.

    multiturn data build local-multi

Sources: the upstream archives of the Debian source packages below, through this machine's apt
(a Debian or Ubuntu machine; root is not needed), and the npm packages below, through its npm.
Python is the matter of `local_python.py`. Debian's versions are those of the release that apt
is set up for; the plan of the build keeps what they were.
"""

from multiturn.data.presets import code_steps
from multiturn.data.recipe import CorpusRecipe
from multiturn.data.sources.debian import DebianSources
from multiturn.data.sources.npm import NpmPackages
from multiturn.data.sources.wanted import CODE_ENDINGS, Wanted

DEBIAN = (
    # C
    "zlib", "libuv1", "redis", "curl", "libpng1.6", "c-ares", "nghttp2", "mbedtls",
    "openssl", "libevent", "tmux", "lua5.4", "jansson",
    # C++
    "abseil", "re2", "googletest", "fmtlib", "nlohmann-json3", "leveldb", "snappy", "protobuf",
    "grpc", "capnproto", "spdlog", "libjsoncpp", "flatbuffers", "double-conversion",
    # Go
    "golang-1.19", "golang-golang-x-tools", "prometheus", "etcd",
    # Java
    "guava-libraries", "commons-io", "commons-math3", "netty", "jackson-databind",
    "libcommons-lang3-java", "tomcat10", "ant",
)  # fmt: skip

NPM = (
    "@cesium/engine", "three", "ol", "lodash", "core-js", "express", "eslint", "webpack", "rollup",
    "mocha", "jquery", "moment", "d3", "mathjs", "ramda", "svelte", "fabric", "socket.io",
    "@babel/core", "@babel/parser", "sequelize", "mongoose", "knex", "bluebird", "async",
)  # fmt: skip

recipe = CorpusRecipe(
    name="local-multi",
    sources=(
        DebianSources(packages=DEBIAN, wanted=Wanted(endings=CODE_ENDINGS)),
        NpmPackages(packages=NPM),
    ),
    steps=code_steps(("c", "cpp", "go", "java", "javascript")),
)

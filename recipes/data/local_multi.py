"""The paper's five other languages from a short list of Debian and npm packages.

    multiturn data build local-multi

Sources: the upstream archives of the Debian source packages below, through this machine's apt
(a Debian or Ubuntu machine; root is not needed), and the npm packages below, through its npm.
Python is the matter of `local_python.py`. Debian's versions are those of the release that apt
is set up for; the plan of the build keeps what they were.
"""

from multiturn.benchmarks.problem_set import own_problems_path
from multiturn.data.presets import code_steps, corpus_stages
from multiturn.data.recipe import CorpusRecipe
from multiturn.data.sources.debian import DebianSources
from multiturn.data.sources.npm import NpmPackages
from multiturn.data.sources.wanted import CODE_ENDINGS, Wanted

DEBIAN = (
    # C
    "zlib", "c-ares", "duktape", "jansson", "lua5.4", "mbedtls", "mesa", "tmux",
    # C++
    "abseil", "capnproto", "double-conversion", "flatbuffers", "fmtlib", "googletest", "grpc",
    "leveldb", "libjsoncpp", "nlohmann-json3", "re2", "snappy", "spdlog",
    # Go
    "etcd", "golang-1.19", "golang-golang-x-tools",
    # Java
    "ant", "antlr4", "bouncycastle", "commons-io", "commons-math3", "guava-libraries",
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
    stages=corpus_stages((own_problems_path(),), header=True),
)

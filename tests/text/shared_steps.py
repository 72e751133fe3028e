"""Programs in steps whose functions use what the statements have set."""

from __future__ import annotations

SHARED = {
    "c": (
        "int sizes[] = {4, 5};\nint count = sizeof(sizes) / sizeof(sizes[0]);\nint last = 0;",
        "int total(void) {\n    int sum = 0;\n"
        "    for (int i = 0; i < count; i++) sum += sizes[i];\n    return last = sum;\n}",
        'printf("%d", total() + last);',
    ),
    "cpp": (
        "vector<int> sizes = {4, 5};\nint last = 0;",
        "int total() {\n    int sum = 0;\n    for (int each : sizes) sum += each;\n"
        "    return last = sum;\n}",
        "cout << total() + last;",
    ),
    "java": (
        "List<Integer> sizes = Arrays.asList(4, 5);\nint last = 0;",
        "static int total() {\n    last = sizes.stream().mapToInt(each -> each).sum();\n"
        "    return last;\n}",
        "System.out.print(total() + last);",
    ),
    "go": (
        "sizes := []int{4, 5}\nvar last int",
        "func total() int {\n\tfor _, each := range sizes {\n\t\tlast += each\n\t}\n"
        "\treturn last\n}",
        "fmt.Print(total() + last)",
    ),
}
"""The steps of a program whose function uses the variables of its statements; it prints 18."""

// Reads a dump (NDJSON) with simdjson, one document a line, and looks at the fields of each dependency that Retinue keeps:
// the least that any reader of it has to do. Prints how many there are, and the seconds that it took.
//
//   simdjson FILE

#include <simdjson.h>

#include <chrono>
#include <cstdio>
#include <string_view>

using namespace simdjson;

static size_t textOf(ondemand::object &object, const char *key) { return std::string_view(object[key]).size(); }

int main(int count, char **arguments) {
    if (count != 2) return 2;
    const auto begin = std::chrono::steady_clock::now();
    padded_string text = padded_string::load(arguments[1]);
    ondemand::parser parser;
    ondemand::document_stream lines = parser.iterate_many(text, 1 << 20);
    size_t records = 0, sum = 0;
    for (auto line : lines) {
        ondemand::object object = line.get_object();
        if (std::string_view(object["type"]) != "dependency") continue;
        sum += textOf(object, "host");
        ondemand::object program = object["program"];
        sum += textOf(program, "executable") + textOf(program, "workload");
        sum += textOf(object, "relation") + textOf(object, "path") + textOf(object, "kind") + textOf(object, "access");
        sum += uint64_t(object["count"]);
        sum += textOf(object, "first") + textOf(object, "last") + textOf(object, "evidence");
        records++;
    }
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    printf("%zu %.6f %zu\n", records, taken.count(), sum);
}

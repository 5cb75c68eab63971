import ArgumentParser
import MoveGroup
import Records

/// What a shell offers where a program or a host is to be typed: those of the files behind `--from`, or of the daemon.
///
/// A shell waits for it, and shows whatever is said on standard error in the middle of a command line: so what cannot
/// be read within a moment offers nothing.
enum RecordCompletion {
    static let program = CompletionKind.custom { words, index, _ in
        programs(words, words.indices.contains(index) ? words[index] : "")
    }
    static let host = CompletionKind.custom { words, _, _ in hosts(words) }

    /// Seconds to wait for the daemon.
    private static let patience = "2"
    /// A list longer than this is read by nobody.
    private static let mostNames = 1000

    /// Names of programs and workloads as they can be typed: whole paths once a slash has been.
    private static func programs(_ words: [String], _ typed: String) -> [String] {
        guard let graph = graph(words) else { return [] }
        var names: Set<String> = []
        for number in 0..<UInt32(graph.nodeCount) {
            guard case .program(let name) = graph[NodeID(rawValue: number)], !name.isUnknown else { continue }
            let paths = typed.contains("/") ? [name.path] : [name.path, name.workload].map(lastPart)
            // A name that needs quotes is typed by the choices that the command offers.
            for path in paths {
                let text = Printable.text(path)
                if !text.isEmpty, ShellWord.quoted(text) == text, !text.contains(":") { names.insert(text) }
            }
        }
        return Array(names.sorted().prefix(mostNames))
    }

    private static func hosts(_ words: [String]) -> [String] {
        let titles = graph(words)?.hosts.dropFirst().map(\.title) ?? []
        return Set(titles).sorted().filter { ShellWord.quoted($0) == $0 }
    }

    private static func lastPart(_ path: [UInt8]) -> [UInt8] {
        Array(path[((path.lastIndex(of: UInt8(ascii: "/")) ?? -1) + 1)...])
    }

    private static func graph(_ words: [String]) -> DependencyGraph? {
        var builder = GraphBuilder()
        let files = values(of: "--from", in: words)
        do {
            if files.isEmpty {
                var options = ["--timeout", patience]
                for option in ["--socket", "--state-dir"] {
                    if let value = values(of: option, in: words).first { options += [option, value] }
                }
                let daemon = try DaemonOptions.parse(options)
                builder.add(try DumpContents(reading: daemon.askForDump()), from: "daemon")
            } else {
                try GraphInputs(paths: files.filter { $0 != "-" }, isLenient: false).read(into: &builder)
            }
        } catch {
            return nil
        }
        return builder.finish()
    }

    /// The words behind an option, up to the next one.
    private static func values(of option: String, in words: [String]) -> [String] {
        guard let place = words.lastIndex(of: option) else { return [] }
        return words[(place + 1)...].prefix { !$0.hasPrefix("-") || $0 == "-" }.filter { !$0.isEmpty }
    }
}

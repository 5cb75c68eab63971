import ArgumentParser
import Control
import Glibc
import RetinueCommands
import SystemCalls

struct ModelContextCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retinue mcp",
        abstract: "Answer a language model's questions about move groups, on standard input and output.",
        usage: "retinue mcp [--from <file> ...] [<options>]",
        discussion: """
            A server of the Model Context Protocol (2025-06-18, stdio) that a client starts. Its tools are programs, \
            group, why, plan and simulate; each answer has the records behind it and the known gaps. It changes nothing.

            Examples:
              retinue mcp                       of this host's daemon
              retinue mcp --from *.ndjson       of many hosts

            Exit status: 0 the input has ended; 1 a wrong command line, or the input cannot be read.
            """,
        version: "retinue \(retinueVersion)")

    @OptionGroup var reading: RefreshOption

    @OptionGroup var records: ServedRecords

    /// Answers until the input ends, or nobody reads the answers.
    func serve() -> Int32 {
        // What cannot be read is said by each answer: a client starts this before anybody has looked.
        let server = ModelContextServer(
            ModelContextTools(Snapshots(records, refresh: reading.refresh, watches: [])))
        var lines = MessageLines(limit: ModelContextServer.longestMessage)
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(0, &buffer, buffer.count)
            if count < 0 {
                if errno == EINTR { continue }
                say("retinue mcp: standard input: \(SystemError.text(of: errno))")
                return 1
            }
            // A last line without an end is a message as well.
            for line in count == 0 ? lines.finish() : lines.take(buffer[..<count]) {
                let answer = line.map { server.answer($0) } ?? ModelContextServer.tooLong
                guard let answer else { continue }
                guard Self.put(answer + [0x0a]) else { return 0 }
            }
            if count == 0 { return 0 }
        }
    }

    private static func put(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            if count <= 0 { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}

/// Lines of a stream that comes in pieces, of which no more than a bound is kept.
struct MessageLines {
    private let limit: Int
    private var line: [UInt8] = []
    private var isTooLong = false

    init(limit: Int) { self.limit = limit }

    /// The lines that a piece ends, empty ones left out; `nil` for one that was too long.
    mutating func take(_ piece: ArraySlice<UInt8>) -> [[UInt8]?] {
        var ended: [[UInt8]?] = []
        var rest = piece
        while let end = rest.firstIndex(of: 0x0a) {
            add(rest[..<end])
            ended += finish()
            rest = rest[(end + 1)...]
        }
        add(rest)
        return ended
    }

    /// The line that has begun, if there is something of it.
    mutating func finish() -> [[UInt8]?] {
        defer { (line, isTooLong) = ([], false) }
        if isTooLong { return [nil] }
        if line.last == 0x0d { line.removeLast() }
        return line.isEmpty ? [] : [line]
    }

    private mutating func add(_ bytes: ArraySlice<UInt8>) {
        if isTooLong || line.count + bytes.count > limit {
            (line, isTooLong) = ([], true)
        } else {
            line += bytes
        }
    }
}

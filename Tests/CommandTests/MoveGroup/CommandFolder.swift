import Foundation
import Records
import TestSupport

/// `retinue` as it is run in a folder that has the shop's records.
struct CommandFolder {
    let path: String

    /// Lends a folder with `web.ndjson` and `db.ndjson`.
    static func with(_ body: (CommandFolder) throws -> Void) throws {
        try withTemporaryFolder { path in
            let folder = CommandFolder(path: path)
            try folder.write(Shop.web.ndjson, "web.ndjson")
            try folder.write(Shop.db.ndjson, "db.ndjson")
            try body(folder)
        }
    }

    func write(_ bytes: [UInt8], _ name: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: path + "/" + name))
    }

    func write(_ text: String, _ name: String) throws { try write(Array(text.utf8), name) }

    func text(_ name: String) throws -> String {
        String(decoding: try bytes(ofFile: path + "/" + name), as: UTF8.self)
    }

    /// Runs `retinue` with these words.
    func retinue(_ words: String...) throws -> ProgramTests.Outcome { try retinue(words) }

    func retinue(_ words: [String]) throws -> ProgramTests.Outcome {
        try run([try Products.path("retinue")] + words)
    }

    /// Runs a line of bash in which `retinue` is ours.
    func shell(_ line: String) throws -> ProgramTests.Outcome {
        try run(["bash", "-c", "retinue() { \"$0\" \"$@\"; }; " + line, try Products.path("retinue")])
    }

    private func run(_ words: [String]) throws -> ProgramTests.Outcome {
        let child = try Child(words, folder: path)
        guard case .exited(let status) = try child.wait(within: 60) else {
            throw TestSupport.Failure("\(words) was killed")
        }
        return .init(status: status, output: child.outputText, errors: child.errorText)
    }

    /// The paths of a group, `host path` each.
    func members(_ words: String...) throws -> [String] { try members(words) }

    func members(_ words: [String]) throws -> [String] {
        let outcome = try retinue(["group"] + words + ["--format", "csv"])
        guard outcome.status == 0 else { throw TestSupport.Failure("\(words): \(outcome)") }
        return outcome.output.split(separator: "\n").dropFirst().map { line in
            let fields = line.split(separator: ",", omittingEmptySubsequences: false)
            return "\(fields[0]) \(fields[2])"
        }
    }
}

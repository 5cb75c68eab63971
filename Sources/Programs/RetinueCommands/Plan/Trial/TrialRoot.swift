import Glibc
import MovePlan
import SystemCalls
import Text

/// A root with what the destination has after the packages of a plan were installed, and with what the plan copies.
final class TrialRoot {
    /// Where it lies.
    let place: String
    private let source: String
    private let folder: TrialFolder
    private var filled: timespec?
    /// What the programs that make it say.
    let output: String

    /// What it is made with, and Debian's packages of that.
    static let tools = [
        ("tar", "tar"), ("unshare", "util-linux"), ("setpriv", "util-linux"), ("ldconfig", "libc-bin"),
    ]

    /// - Parameter source: where the host's files lie.
    init(of source: String, in folder: TrialFolder) {
        self.source = source
        self.folder = folder
        place = folder.path + "/root"
        output = folder.path + "/output"
    }

    /// Before a command: it gets processes of its own, which all end with this program, however that ends.
    static let tied = ["setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child"]

    /// Says which programs of some are not in PATH.
    static func check(_ tools: [(String, String)]) throws(Failure) {
        let missing = tools.filter { ChildProcess.folder(of: $0.0) == nil }
        guard !missing.isEmpty else { return }
        throw Failure(
            "a plan is tried with programs that are not in PATH: \(missing.map(\.0).joined(separator: ", "))",
            details: missing.map { "\($0.0) is in Debian's package \($0.1)" })
    }

    /// Fills it; one that is filled gets what is new, and what was changed in it since.
    ///
    /// - Parameter final: how what is being written is copied, where that is copied apart.
    /// - Throws: `Failure` or `HeldSignals.Interrupted`.
    func fill(_ contents: TrialContents, final: FinalCopy? = nil) throws {
        try folder.signals.check()
        var copied = contents.paths
        if let filled {
            let renewal = contents.renewal(of: place, filledAt: filled)
            try removeAll(renewal.gone)
            copied = renewal.missing
        } else {
            for remark in contents.remarks { Diagnostics.say(remark) }
            guard mkdir(place, 0o755) == 0 else { throw Failure("\(place): \(SystemError.text(of: errno))") }
        }
        let archive = PlanArchive(in: folder)
        let last = Set(final?.paths ?? [])
        let begun = try now()
        try archive.copy(copied.filter { !last.contains($0) }, of: source, to: place)
        // A service that was at rest while it was observed has no entry to be copied last, and writes all the same.
        if let final, filled == nil || copied.contains(where: last.contains) {
            let first = Set(copied).subtracting(last)
            let isRenewal = filled != nil
            let missing = Set(copied)
            try final.hold {
                // Names that have come since, or gone, count as they are now.
                let now = final.paths.filter { !first.contains($0) && (!isRenewal || missing.contains($0)) }
                let changed = isRenewal ? [] : final.paths(except: first, changedSince: begun)
                try archive.copy(
                    Array(Set(now).union(changed)).sorted(by: PathOrder.precedes), of: source, to: place)
            }
        }
        do throws(SystemError) { try contents.makeOwn(in: place) } catch {
            throw Failure("\(place): \(error)")
        }
        _ = try ChildProcess.run(["ldconfig", "-r", place], output: output, signals: folder.signals)
        filled = try now()
    }

    /// The time of the root's filesystem, when the next change in it will be later.
    private func now() throws -> timespec {
        var status = stat()
        let mark = folder.path + "/filled"
        try list([], to: mark)
        guard stat(mark, &status) == 0 else { throw Failure("\(mark): \(SystemError.text(of: errno))") }
        return status.st_ctim
    }

    private func removeAll(_ paths: [[UInt8]]) throws {
        guard !paths.isEmpty else { return }
        let names = folder.path + "/gone"
        try list(paths, to: names)
        let remove = "cd \"$1\" && xargs -0 rm -rf --one-file-system -- < \"$2\""
        _ = try ChildProcess.run(
            ["sh", "-c", remove, "sh", place, names], output: output, signals: folder.signals)
    }

    /// Behind `./` no name is an option, or a comment.
    private func list(_ paths: [[UInt8]], to file: String) throws {
        var names: [UInt8] = []
        for path in paths { names += [UInt8(ascii: ".")] + path + [0] }
        try OutputFile.write(to: file) { try $0.write(names) }
    }
}

extension InputFile {
    /// All of a file; nothing where it cannot be read.
    static func contents(of path: String) -> [UInt8] {
        var bytes: [UInt8] = []
        guard let file = try? InputFile(path: path) else { return [] }
        try? file.forEachPiece { bytes += $0 }
        return bytes
    }
}

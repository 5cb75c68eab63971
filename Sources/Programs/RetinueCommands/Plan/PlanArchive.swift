import MovePlan
import SystemCalls
import Text

/// Archives of files by tar(1): what a root is filled by, and what is exported.
///
/// The format is that of pax(1), with extended attributes, access lists, holes, times to the nanosecond and names of any
/// bytes; it depends on nothing but the files and the order of the list. No language is set: tar would take names for texts
/// in it.
struct PlanArchive {
    private let folder: TrialFolder

    /// - Parameter folder: where lists lie until it is done.
    init(in folder: TrialFolder) { self.folder = folder }

    /// A shell's words: an archive on standard output of the names in the file `$2`, from the folder `$1`.
    private static let create = """
        LC_ALL=C tar -C "$1" --create --null --verbatim-files-from --no-recursion --files-from="$2" --numeric-owner \
        --sparse --format=posix --pax-option='exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime' \
        --xattrs --xattrs-include='*' --acls --ignore-failed-read
        """

    /// Unpacks it in the folder `$3`.
    private static let extract = """
        LC_ALL=C tar -C "$3" --extract --preserve-permissions --same-owner --numeric-owner --xattrs \
        --xattrs-include='*' --acls --delay-directory-restore
        """

    /// Copies files into another folder: never links, so that what is written there is none of the original's.
    ///
    /// - Throws: `Failure` or `HeldSignals.Interrupted`.
    func copy(_ paths: [[UInt8]], of root: String, to place: String) throws {
        guard !paths.isEmpty else { return }
        let names = try list(paths)
        // Of a pipeline a shell gives the last status alone; the first tar's says whether files changed under it.
        let pipeline =
            "{ \(Self.create); echo $? > \"$2.status\"; } | \(Self.extract) && exit \"$(cat \"$2.status\")\""
        try check(
            ChildProcess.run(
                TrialRoot.tied + ["sh", "-c", pipeline, "sh", root, names, place],
                output: folder.path + "/output", signals: folder.signals))
    }

    /// Writes an archive of files.
    ///
    /// - Parameters:
    ///   - file: `-` is standard output.
    ///   - latest: times after this, seconds since 1970, are written as this.
    func write(_ paths: [[UInt8]], of root: String, to file: String, latest: UInt64?) throws {
        let names = try list(paths)
        let times = latest.map { " --clamp-mtime --mtime=@\($0)" } ?? ""
        try OutputFile.write(to: file) { output in
            let command = TrialRoot.tied + ["sh", "-c", "\(Self.create)\(times)", "sh", root, names]
            let tar = try ChildProcess(
                command.map { Array($0.utf8) }, output: folder.path + "/output", data: output.number,
                signals: folder.signals)
            try check(try tar.wait())
        }
    }

    private func check(_ status: Int32) throws(Failure) {
        guard status != 0 else { return }
        let words = TrialFolder.lastWords(in: folder.path + "/output")
        guard status == 1 else { throw Failure("the files could not be copied\(words)") }
        Diagnostics.say("files changed while they were copied: what was copied of them is of no one moment")
    }

    /// What is in a folder follows it at once, so that tar gives it its times and mode back when all of that is there: of
    /// `/a`, `/a.conf` and `/a/b` the last comes before the second. Behind `./` no name is an option, or a comment.
    private func list(_ paths: [[UInt8]]) throws -> String {
        let file = folder.path + "/list"
        let slash = UInt8(ascii: "/")
        let ordered = paths.sorted {
            $0.lazy.map { $0 == slash ? 0 : $0 }.lexicographicallyPrecedes(
                $1.lazy.map { $0 == slash ? 0 : $0 })
        }
        var names: [UInt8] = []
        for path in ordered { names += [UInt8(ascii: ".")] + path + [0] }
        try OutputFile.write(to: file) { try $0.write(names) }
        return file
    }
}

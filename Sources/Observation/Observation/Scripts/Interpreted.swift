/// What a process runs beside its executable, as its arguments say.
///
/// Arguments are what somebody wrote: whether a file of that name is there has to be looked at by whoever can.
public enum Interpreted: Equatable, Sendable {
    /// Nothing: the executable is no interpreter, or its arguments hold the program's text. That is never a name.
    case nothing
    /// Something that the arguments do not name: they use an option that is not known here, or were cut off.
    case unknown
    /// What the standard input holds.
    case input
    /// A file, or something that has a name.
    case named(Named)

    /// Something that the arguments name.
    public struct Named: Equatable, Sendable {
        /// The files that the interpreter would look for, in its order, as it would name them: the first one that
        /// exists it is.
        public var files: [[UInt8]]
        /// What it is called where none of them is there: a module, a class. `nil` for what must be a file.
        public var name: [UInt8]?
        /// Whether it is an application that a server of applications runs: it stands for more than the server's own
        /// script does, of which there is one for all of them.
        public var isApplication: Bool

        init(files: [[UInt8]], name: [UInt8]? = nil, isApplication: Bool = false) {
            self.files = files
            self.name = name
            self.isApplication = isApplication
        }
    }

    static func file(_ path: [UInt8]) -> Interpreted { .named(Named(files: [path])) }
}

/// How far the script of a process could be read.
public enum ScriptReading: UInt8, Sendable {
    /// There is the one that was read, or none.
    case known = 0
    /// It runs one, and nobody can say which: the arguments were overwritten, or name a file that is not there.
    case unknown = 1
    /// What was read is an application: it goes before the `#!` file of the server that runs it.
    case application = 2
    /// What runs goes by the name under which the file was executed, and that is not known for certain.
    case guessed = 3
}

/// Names that are no paths: only what could be no program's text and no secret is taken for one.
enum PublicName {
    /// The longest that is taken, in bytes.
    static let limit = 256

    /// Whether bytes are identifiers with dots between them (`package.module`, `org.example.Main`).
    static func isDotted(_ bytes: some Collection<UInt8>, also extra: [UInt8] = []) -> Bool {
        guard !bytes.isEmpty, bytes.count <= limit else { return false }
        return bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy {
            part in
            guard let first = part.first, isLetter(first) else { return false }
            return part.allSatisfy { isLetter($0) || $0 &- 48 < 10 || extra.contains($0) }
        }
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (byte | 0x20) &- 97 < 26 || byte == UInt8(ascii: "_")
    }

    /// The path that a dotted name stands for: `a.b` is `a/b`.
    static func path(_ name: some Collection<UInt8>) -> [UInt8] {
        name.map { $0 == UInt8(ascii: ".") ? UInt8(ascii: "/") : $0 }
    }
}

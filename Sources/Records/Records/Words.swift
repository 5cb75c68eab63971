// The words of the record format `retinue/2`, one for each case of the vocabulary.

extension Relation {
    /// The word in a dump.
    public var word: StaticString {
        switch self {
        case .file: "file"
        case .spawn: "spawn"
        case .connect: "connect"
        case .accept: "accept"
        case .listen: "listen"
        case .ipc: "ipc"
        }
    }

    /// The relation that a word of a dump stands for.
    public init?(word: String) {
        guard let found = Self.allCases.first(word: word, { $0.word }) else { return nil }
        self = found
    }
}

extension Evidence {
    /// The word in a dump.
    public var word: StaticString {
        switch self {
        case .inferred: "inferred"
        case .snapshot: "snapshot"
        case .exact: "exact"
        }
    }

    /// The evidence that a word of a dump stands for.
    public init?(word: String) {
        guard let found = Self.allCases.first(word: word, { $0.word }) else { return nil }
        self = found
    }
}

extension Access {
    /// The letters in a dump, in the order `rwx`.
    public var letters: StaticString {
        switch rawValue & 7 {
        case 1: "r"
        case 2: "w"
        case 3: "rw"
        case 4: "x"
        case 5: "rx"
        case 6: "wx"
        case 7: "rwx"
        default: ""
        }
    }

    /// The set that letters of a dump stand for; only the spellings of `letters` are taken.
    public init?(letters: String) {
        let spelled = (0..<8).map { Access(rawValue: $0) }
        guard let found = spelled.first(word: letters, { $0.letters }) else { return nil }
        self = found
    }
}

extension FileKind {
    /// The word in a dump.
    public var word: StaticString {
        switch self {
        case .regular: "regular"
        case .directory: "directory"
        case .fifo: "fifo"
        case .socket: "socket"
        case .char: "char"
        case .block: "block"
        }
    }

    /// The kind that a word of a dump stands for.
    public init?(word: String) {
        guard let found = Self.allCases.first(word: word, { $0.word }) else { return nil }
        self = found
    }
}

extension Transport {
    /// The word in a dump.
    public var word: StaticString {
        switch self {
        case .tcp: "tcp"
        case .udp: "udp"
        case .mptcp: "mptcp"
        case .sctp: "sctp"
        case .udplite: "udplite"
        case .raw: "raw"
        case .ping: "ping"
        case .packet: "packet"
        }
    }

    /// The transport that a word of a dump stands for.
    public init?(word: String) {
        guard let found = Self.allCases.first(word: word, { $0.word }) else { return nil }
        self = found
    }
}

extension Mechanism {
    /// The word in a dump.
    public var word: StaticString {
        switch self {
        case .unix: "unix"
        case .fifo: "fifo"
        case .pipe: "pipe"
        case .shm: "shm"
        case .sem: "sem"
        case .msg: "msg"
        case .posixShm: "posix-shm"
        case .mqueue: "mqueue"
        }
    }

    /// The mechanism that a word of a dump stands for.
    public init?(word: String) {
        guard let found = Self.allCases.first(word: word, { $0.word }) else { return nil }
        self = found
    }
}

extension Sequence {
    /// The element with this word, compared byte by byte; there are never more than eight.
    fileprivate func first(word: String, _ spelled: (Element) -> StaticString) -> Element? {
        first { element in
            spelled(element).withUTF8Buffer { word.utf8.elementsEqual($0) }
        }
    }
}

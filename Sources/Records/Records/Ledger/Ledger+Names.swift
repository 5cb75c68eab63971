/// The names under which programs are executed, where they are not those of their files.
///
/// What people type is often not what the file is called: `redis-server` is a link to `redis-check-rdb`, `sh` one to
/// `dash`. A name describes a program and does not distinguish two. It is not kept in the store: who runs is asked
/// again.
extension Ledger {
    /// Names of one program that are kept: whoever executes it chooses them, and might choose a new one each time.
    public static var mostNames: Int { 4 }
    /// Bytes of the longest name that is kept.
    public static var longestName: Int { 64 }

    /// Notes a name of a program, unless it is that of its file, no text, or too long.
    ///
    /// A name of fifteen bytes may be the beginning of one (`TASK_COMM_LEN`): where the file's name goes on from it, it
    /// says nothing new.
    public mutating func note(name: [UInt8], of program: ProgramID) {
        guard program != .unknown, !name.isEmpty, name.count <= Self.longestName else { return }
        if let known = names[program.rawValue] {
            guard known.count < Self.mostNames, !known.contains(name) else { return }
        }
        let path = texts.array(self[program].executable)
        let file = path[((path.lastIndex(of: UInt8(ascii: "/")) ?? -1) + 1)...]
        guard !file.elementsEqual(name), name.count != 15 || !file.starts(with: name),
            let text = String(validating: name, as: UTF8.self),
            text.unicodeScalars.allSatisfy({ Self.isShown($0) })
        else { return }
        names[program.rawValue, default: []].append(name)
    }

    /// The names of a program that are not that of its file.
    public func names(of program: ProgramID) -> [[UInt8]] { names[program.rawValue] ?? [] }

    private static func isShown(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned, .surrogate:
            false
        default: scalar != "/"
        }
    }

    /// Follows a renumbering.
    mutating func renumberNames(_ programs: [UInt32]) {
        guard !names.isEmpty else { return }
        let former = names
        names = [:]
        for (number, list) in former where programs[Int(number)] != Renumbering.gone {
            names[programs[Int(number)]] = list
        }
    }
}

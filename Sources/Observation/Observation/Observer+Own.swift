import Records

/// Retinue itself: the daemon, another one on the host, and the command line.
///
/// What they read and whom they ask says nothing about the host: they get no records, and nobody has one of having
/// started or answered them. They are known by the names of their files, so that a recording gives the same dump wherever
/// it is replayed.
extension Observer {
    private static let ownNames = ["retinued", "retinue"].map { Array($0.utf8) }

    /// Whether a program is one of them.
    @inline(__always)
    func isOwn(_ program: ProgramID) -> Bool {
        ownFilter >> UInt64(program.rawValue & 63) & 1 != 0 && own.contains(program)
    }

    /// Notes whether a program that was not met before is one of them.
    mutating func noteIfOwn(_ program: ProgramID) {
        let isOwn = ledger.texts.withBytes(ledger[program].executable) { path in
            let name = lastComponent(path)
            return Self.ownNames.contains { name.elementsEqual($0) }
        }
        guard isOwn else { return }
        own.append(program)
        ownFilter |= 1 << UInt64(program.rawValue & 63)
    }

    /// The same for all that there are.
    mutating func findOwn() {
        own.removeAll()
        ownFilter = 0
        for number in ledger.programs.indices.dropFirst() { noteIfOwn(ProgramID(rawValue: UInt32(number))) }
    }
}

public import Text

/// The number of a program in a ledger; 0 stands for "not known".
public struct ProgramID: QuickKey, Sendable {
    /// Position in the ledger's list of programs.
    public let rawValue: UInt32
    /// Makes a number from a position; for readers of stored forms.
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    /// The hash for tables.
    @inlinable public func hash(with hash: SeededHash) -> UInt64 { hash(UInt64(rawValue)) }
    /// A program that is not known.
    public static let unknown = ProgramID(rawValue: 0)
}

/// An executable; for an interpreter also the script; with the workload that it runs in.
public struct Program: Hashable, Sendable {
    /// Path of the executable, as seen from the daemon's mount namespace.
    public var executable: TextID
    /// Path of the script that an interpreter runs, if it is one.
    public var script: TextID
    /// Control group below the root (`system.slice/a.service`), if there is one.
    public var workload: TextID

    /// Makes a program.
    public init(executable: TextID, script: TextID = .none, workload: TextID = .none) {
        self.executable = executable
        self.script = script
        self.workload = workload
    }
}

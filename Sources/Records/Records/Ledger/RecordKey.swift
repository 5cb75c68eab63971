/// What makes two observations the same dependency. Which fields are used depends on the relation.
public struct RecordKey: Hashable, Sendable {
    /// The program that depends.
    public var program: ProgramID
    /// file: path (`TextID`); spawn: child (`ProgramID`); connect: remote endpoint; accept and
    /// listen: local endpoint; ipc: name (`TextID`).
    public var object: UInt32
    /// accept: the remote address, an endpoint with port 0; else 0.
    public var remote: UInt32
    /// connect, accept, ipc: the program at the other end, if it is known.
    public var peer: ProgramID
    // What is small stands last: the record puts its own small fields behind it.
    /// How it depends.
    public var relation: Relation
    /// `Transport` (connect, accept, listen) or `Mechanism` (ipc) as a raw value; else 0.
    public var detail: UInt8

    /// For the factories below and for the store, which checks what it has read.
    package init(
        _ program: ProgramID, _ relation: Relation, detail: UInt8 = 0, object: UInt32, remote: UInt32 = 0,
        peer: ProgramID = .unknown
    ) {
        self.program = program
        self.relation = relation
        self.detail = detail
        self.object = object
        self.remote = remote
        self.peer = peer
    }

    /// A file at a path.
    public static func file(_ program: ProgramID, path: TextID) -> RecordKey {
        RecordKey(program, .file, object: path.rawValue)
    }
    /// A program started.
    public static func spawn(_ program: ProgramID, child: ProgramID) -> RecordKey {
        RecordKey(program, .spawn, object: child.rawValue)
    }
    /// A connection made.
    public static func connect(
        _ program: ProgramID, _ transport: Transport, remote: EndpointID, peer: ProgramID
    ) -> RecordKey {
        RecordKey(program, .connect, detail: transport.rawValue, object: remote.rawValue, peer: peer)
    }
    /// A connection taken; `remote` is an endpoint with port 0.
    public static func accept(
        _ program: ProgramID, _ transport: Transport, local: EndpointID, remote: EndpointID, peer: ProgramID
    ) -> RecordKey {
        RecordKey(
            program, .accept, detail: transport.rawValue, object: local.rawValue, remote: remote.rawValue,
            peer: peer)
    }
    /// An address waited on.
    public static func listen(_ program: ProgramID, _ transport: Transport, local: EndpointID) -> RecordKey {
        RecordKey(program, .listen, detail: transport.rawValue, object: local.rawValue)
    }
    /// An object of inter-process communication shared.
    public static func ipc(
        _ program: ProgramID, _ mechanism: Mechanism, name: TextID, peer: ProgramID
    ) -> RecordKey {
        RecordKey(program, .ipc, detail: mechanism.rawValue, object: name.rawValue, peer: peer)
    }
}

import Records

/// Connects to Unix sockets that no record has yet, and what is known of the sockets that they are made to.
///
/// An event names who connects. Whom it reaches a scan shows: it finds who holds the listener of that name. So connects
/// wait for the next scan; only those whose listener was there before and is still there are certain.
///
/// A class, so that the observer, which is moved about, stays small.
final class UnixConnects {
    /// Connects of one process to one address.
    struct Pending {
        var program: ProgramID
        var evidence: Evidence
        /// Whether it is in the network namespace of the daemon, so that names mean what they mean here.
        var isNear: Bool
        var pid: Int32
        var call: LocalConnect.Call
        var socket: UInt64
        var name: [UInt8]?
        var count: UInt64
        /// The first of them, `CLOCK_MONOTONIC`; the first and the last, nanoseconds since 1970.
        var first: UInt64
        var begun: UInt64
        var last: UInt64
    }

    struct Unknown {
        var connects: UInt64 = 0
        var datagrams: UInt64 = 0
    }

    private struct Key: Hashable {
        var pid: Int32
        var program: ProgramID
        var call: LocalConnect.Call
        var socket: UInt64
        var name: [UInt8]?
    }

    private(set) var pending: [Pending] = []
    private var positions: [Key: Int] = [:]
    /// Sockets with a name, as the last scan found them.
    var listeners: [UInt32: UnixListener] = [:]
    /// When that scan began, `CLOCK_MONOTONIC`.
    var scanned: UInt64 = 0
    /// Which of them lies where in the kernel.
    var places: [UInt64: UInt32] = [:]
    /// Connections that the last scan found, by the socket that made them.
    var met: Set<UInt32> = []
    /// Connects, and datagrams apart, whose other end is not known, of the scan that is being taken in.
    var unknown: [ProgramID: Unknown] = [:]
    /// Connections with a translated destination that the last scan found.
    var translated: Set<TranslatedConnection> = []
    /// Datagram sockets that a process is known to send to: each such pair counts once.
    private var senders: Set<UInt64> = []

    /// How far behind the clock the time of a file may be: that of its kernel's ticks, nanoseconds.
    static let tick: UInt64 = 20_000_000

    /// Who closed UDP sockets whose notice is still to come. In two generations, of which the older goes when the younger
    /// is full.
    private var datagramEnds: [FourTuple: ProgramID] = [:]
    private var olderDatagramEnds: [FourTuple: ProgramID] = [:]

    /// Notes who closed a UDP socket.
    func noteDatagramEnd(_ tuple: FourTuple, _ program: ProgramID) {
        if datagramEnds.count >= SocketTable.mostOverdue {
            olderDatagramEnds = datagramEnds
            datagramEnds.removeAll()
        }
        datagramEnds[tuple] = program
    }

    /// Who closed the UDP socket of a notice, if that was reported.
    func takeDatagramEnd(_ tuple: FourTuple) -> ProgramID? {
        datagramEnds.removeValue(forKey: tuple) ?? olderDatagramEnds.removeValue(forKey: tuple)
    }

    /// Notes which programs are referred to by number.
    func addUses(to uses: inout LedgerUses) {
        uses.programs += pending.map(\.program)
        for ends in [datagramEnds, olderDatagramEnds] { uses.programs += ends.values }
    }

    /// Follows a renumbering.
    func renumber(_ change: Renumbering) {
        for index in pending.indices { pending[index].program = change(pending[index].program) }
        positions.removeAll()
        for (position, one) in pending.enumerated() { positions[Self.key(one)] = position }
        datagramEnds = datagramEnds.mapValues { change($0) }
        olderDatagramEnds = olderDatagramEnds.mapValues { change($0) }
        unknown = Dictionary(
            unknown.map { (change($0.key), $0.value) },
            uniquingKeysWith: { one, other in
                Unknown(
                    connects: one.connects + other.connects, datagrams: one.datagrams + other.datagrams)
            })
        senders.removeAll()
    }

    private static func key(_ one: Pending) -> Key {
        Key(pid: one.pid, program: one.program, call: one.call, socket: one.socket, name: one.name)
    }

    /// Connects that wait at a time; what is beyond is counted at once.
    static let most = 1 << 14

    /// Keeps a connect for the next scan; `false` where there is no room.
    func add(_ new: Pending) -> Bool {
        if new.call != .connect {
            // That a datagram follows another is no new link.
            var hash = Hasher()
            hash.combine(new.pid)
            hash.combine(new.program)
            hash.combine(new.socket)
            hash.combine(new.name)
            if senders.count > Self.most * 4 { senders.removeAll() }
            guard senders.insert(UInt64(bitPattern: Int64(hash.finalize()))).inserted else { return true }
        }
        let key = Self.key(new)
        if let position = positions[key] {
            pending[position].count += new.count
            pending[position].last = max(pending[position].last, new.last)
            return true
        }
        guard pending.count < Self.most else { return false }
        positions[key] = pending.count
        pending.append(new)
        return true
    }

    /// Takes those out that a scan which had read the sockets at a moment can say more of.
    func take(before time: UInt64) -> [Pending] {
        let taken = pending.filter { $0.first <= time }
        pending.removeAll { $0.first <= time }
        positions.removeAll()
        for (position, one) in pending.enumerated() { positions[Self.key(one)] = position }
        return taken
    }

    /// Sockets of a name. `/var/run` is a link to `/run` on every distribution of today.
    static func isSame(_ bound: [UInt8], _ asked: [UInt8]) -> Bool {
        bound == asked || plain(bound) == plain(asked)
    }

    private static func plain(_ name: [UInt8]) -> ArraySlice<UInt8> {
        name.starts(with: Array("/var/run/".utf8)) ? name.dropFirst(4) : name[...]
    }
}

import CLinux
import Glibc
import Synchronization
public import SystemCalls
public import Transfer

/// What is known of a group's placeholders: which there are, and which of their units need not be fetched any more.
///
/// A unit's bit is on the disk after its bytes are and before any program gets at them: a crash can neither leave zeros in a
/// unit that counts as filled, nor have bytes of the source written over what a program has written since.
public final class PlaceholderStore: Sendable {
    /// The folder of the files `index` and `bits`.
    public let folder: String
    /// All of them, in the order in which they are to be fetched.
    public let placeholders: [Placeholder]
    private let first: [Int]
    private let bits: FileDescriptor
    private let state: Mutex<State>

    private struct State {
        var bits: [UInt8]
        var missing: UInt64
        /// Of each file a unit before which none is missing.
        var lowest: [Int]
    }

    /// Whether a folder has a list, which says that files are not complete.
    public static func isThere(_ folder: String) -> Bool { access(folder + "/index", F_OK) == 0 }

    /// Begins one: nothing was fetched. When this returns it is on the disk.
    public static func make(_ placeholders: [Placeholder], in folder: String) throws(TransferError) {
        let units = placeholders.reduce(0) { $0 + $1.units }
        let name = Array((folder + "/index").utf8)
        do throws(SystemError) {
            let bits = try FileDescriptor.open(
                folder + "/bits", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: 0o600)
            try write([UInt8](repeating: 0, count: (units + 7) / 8), to: bits)
            let number = bits.number
            _ = try systemCall("fdatasync") { fdatasync(number) }
            let index = try FileDescriptor.open(
                folder + "/index.new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: 0o600)
            try write(PlaceholderIndex.bytes(placeholders), to: index)
            let indexNumber = index.number
            _ = try systemCall("fdatasync") { fdatasync(indexNumber) }
            _ = try systemCall("rename") { rename(folder + "/index.new", folder + "/index") }
            let place = try FileDescriptor.open(folder, O_RDONLY | O_DIRECTORY)
            let placeNumber = place.number
            _ = try systemCall("fsync") { fsync(placeNumber) }
        } catch { throw .file(name, error) }
    }

    private static func write(_ bytes: [UInt8], to file: borrowing FileDescriptor) throws(SystemError) {
        var failure: SystemError?
        bytes.withUnsafeBytes { bytes in
            do throws(SystemError) { try file.writeAll(bytes) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    /// Opens one that is there.
    public init(_ folder: String) throws(TransferError) {
        self.folder = folder
        let read: [UInt8]
        var map: [UInt8]
        do throws(SystemError) {
            read = try FileDescriptor.open(folder + "/index", O_RDONLY).readAll(limit: 1 << 30)
            bits = try FileDescriptor.open(folder + "/bits", O_RDWR | O_NOFOLLOW)
            map = try bits.readAll(limit: 1 << 30)
        } catch { throw .file(Array(folder.utf8), error) }
        placeholders = try PlaceholderIndex.read(read)
        var starts: [Int] = []
        var units = 0
        for placeholder in placeholders {
            starts.append(units)
            units += placeholder.units
        }
        first = starts
        guard map.count == (units + 7) / 8 else { throw .malformed("bits of other placeholders") }
        var missing: UInt64 = 0
        for (index, placeholder) in placeholders.enumerated() {
            for unit in 0..<placeholder.units where !Self.bit(map, starts[index] + unit) {
                missing += UInt64(Self.length(unit, placeholder.size))
            }
        }
        state = Mutex(
            State(bits: map, missing: missing, lowest: [Int](repeating: 0, count: placeholders.count)))
    }

    private static func bit(_ bits: [UInt8], _ position: Int) -> Bool {
        bits[position >> 3] & 1 << (position & 7) != 0
    }

    static func length(_ unit: Int, _ size: UInt64) -> Int {
        let unitSize = UInt64(Placeholder.unit)
        return Int(min(unitSize, size - UInt64(unit) * unitSize))
    }

    /// Bytes that are to be fetched.
    public var missing: UInt64 { state.withLock { $0.missing } }

    /// Whether a unit need not be fetched.
    public func isFilled(_ index: Int, _ unit: Int) -> Bool {
        state.withLock { Self.bit($0.bits, first[index] + unit) }
    }

    /// The first unit of a file, from one on, that is to be fetched.
    public func firstMissing(_ index: Int, from start: Int = 0) -> Int? {
        state.withLock { state in
            let units = placeholders[index].units
            let from = max(start, state.lowest[index])
            let found = (from..<max(from, units)).first { !Self.bit(state.bits, first[index] + $0) }
            // What is filled stays so.
            if start <= state.lowest[index] { state.lowest[index] = found ?? units }
            return found
        }
    }

    /// Records that units need not be fetched; on the disk when this returns.
    public func fill(_ index: Int, _ units: Range<Int>) throws(SystemError) {
        let units = units.clamped(to: 0..<placeholders[index].units)
        guard !units.isEmpty else { return }
        let number = bits.number
        let start = first[index]
        let change = state.withLock { state -> (Int, [UInt8]) in
            for unit in units where !Self.bit(state.bits, start + unit) {
                state.bits[(start + unit) >> 3] |= 1 << ((start + unit) & 7)
                state.missing -= UInt64(Self.length(unit, placeholders[index].size))
            }
            let bytes = (start + units.lowerBound) >> 3...(start + units.upperBound - 1) >> 3
            return (bytes.lowerBound, Array(state.bits[bytes]))
        }
        _ = try systemCall("pwrite") {
            change.1.withUnsafeBytes { pwrite(number, $0.baseAddress, $0.count, off_t(change.0)) }
        }
        _ = try systemCall("fdatasync") { fdatasync(number) }
    }
}

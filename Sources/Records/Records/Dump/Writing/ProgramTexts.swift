/// The texts of programs that were written of late. Most records name one of a few programs, each as some
/// hundred bytes that are the same every time.
///
/// A fixed number of places, chosen by the program's number: memory does not grow with the ledger, and a
/// text that finds no room is written anew each time.
struct ProgramTexts: ~Copyable {
    private static let places = 256
    private static let room = 504

    private struct Place {
        var program: UInt32 = 0
        /// 0: nothing here.
        var length: UInt32 = 0
    }

    private var index = [Place](repeating: Place(), count: places)
    private let texts = UnsafeMutableRawPointer.allocate(byteCount: places * room, alignment: 8)

    deinit { texts.deallocate() }

    /// Appends a program's text if it is known.
    @inline(__always)
    borrowing func append(_ program: ProgramID, to out: inout LineBuffer) -> Bool {
        let number = Int(program.rawValue) % Self.places
        let place = index[number]
        guard place.program == program.rawValue, place.length > 0 else { return false }
        out.append(UnsafeRawBufferPointer(start: texts + number * Self.room, count: Int(place.length)))
        return true
    }

    /// Keeps a program's text if there is room.
    mutating func keep(_ program: ProgramID, _ text: UnsafeRawBufferPointer) {
        guard !text.isEmpty, text.count <= Self.room else { return }
        let number = Int(program.rawValue) % Self.places
        (texts + number * Self.room).copyMemory(from: text.baseAddress!, byteCount: text.count)
        index[number] = Place(program: program.rawValue, length: UInt32(text.count))
    }
}

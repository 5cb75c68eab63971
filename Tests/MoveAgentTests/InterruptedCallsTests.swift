import Glibc
import SystemCalls
import TestSupport
import Testing

@testable import MoveAgent

@Suite("Calls that a dump has interrupted")
struct InterruptedCallsTests {
    /// A message of numbers and messages.
    private static func message(_ fields: [(UInt8, [UInt8]?, UInt64)]) -> [UInt8] {
        func number(_ value: UInt64) -> [UInt8] {
            value < 0x80 ? [UInt8(value)] : [UInt8(value & 0x7f) | 0x80] + number(value >> 7)
        }
        return fields.flatMap { field, bytes, value in
            guard let bytes else { return number(UInt64(field) << 3) + number(value) }
            return number(UInt64(field) << 3 | 2) + number(UInt64(bytes.count)) + bytes
        }
    }

    /// An image of a thread behind a call that has returned EINTR.
    private static func image(
        call: UInt64, result: Int64 = -Int64(EINTR), mode: UInt64? = 1, blocked: UInt64 = 0,
        signals: [UInt8] = [],
        ofProcess: Bool = false, si: UInt64 = 0, r10: UInt64 = 0
    ) -> [UInt8] {
        var registers: [(UInt8, [UInt8]?, UInt64)] = [
            (8, nil, r10), (11, nil, UInt64(bitPattern: result)), (13, nil, 0x22), (14, nil, si),
            (15, nil, 0x11), (16, nil, call), (17, nil, 0x7fff_1002),
        ]
        if let mode { registers.append((28, nil, mode)) }
        let queue = message(
            signals.map { (1, message([(1, [$0, 0, 0, 0] + Array(repeating: 0, count: 124), 0)]), 0) })
        let core = message([
            (1, nil, 1), (2, message([(1, nil, 0x5000), (2, message(registers), 0)]), 0),
            (3, message(ofProcess ? [(5, nil, blocked), (10, queue, 0)] : [(5, nil, 0)]), 0),
            (5, message(ofProcess ? [(6, nil, blocked)] : [(6, nil, blocked), (9, queue, 0)]), 0),
        ])
        let length = (0..<4).map { UInt8(truncatingIfNeeded: core.count >> (8 * $0)) }
        return [0x16, 0x4b, 0x56, 0x54, 0x45, 0x35, 0x39, 0x55] + length + core
    }

    /// The registers of an image, whose length is right.
    private static func registers(_ image: [UInt8]) -> ImageMessage? {
        let length = (0..<4).reduce(0) { $0 | Int(image[8 + $1]) << (8 * $1) }
        guard length == image.count - 12 else { return nil }
        return ImageMessage(image[12...])?.message(2)?.message(2)
    }

    @Test(arguments: [0, 1, 7, 43, 47, 65, 128, 202, 232, 281, 288, 441] as [UInt64])
    func aCallIsMadeAgain(call: UInt64) throws {
        let before = Self.image(call: call)
        let after = try #require(InterruptedCalls.again(before))
        let registers = try #require(Self.registers(after))
        #expect(registers[11] == call)
        // By the two bytes of the instruction.
        #expect(registers[17] == 0x7fff_1000)
        #expect(registers[15] == 0x11 && registers[13] == 0x22)
        #expect(after.prefix(8) == before.prefix(8))
        // All else is as it was.
        var core = try #require(ImageMessage(after[12...]))
        var thread = try #require(core.message(2))
        var back = registers
        back[11] = UInt64(bitPattern: -Int64(EINTR))
        back[17] = 0x7fff_1002
        thread.replace(2, with: back)
        core.replace(2, with: thread)
        #expect(core.bytes == Array(before[12...]))
        // What is made again already is left.
        #expect(InterruptedCalls.again(after) == nil)
    }

    @Test func aSleepGoesOnWithWhatIsLeft() throws {
        // nanosleep(request, left) and clock_nanosleep(clock, flags, request, left).
        let plain = try #require(InterruptedCalls.again(Self.image(call: 35, si: 0x99)))
        #expect(Self.registers(plain)?[15] == 0x99)
        let unasked = try #require(InterruptedCalls.again(Self.image(call: 35, si: 0)))
        #expect(Self.registers(unasked)?[15] == 0x11)
        let relative = try #require(InterruptedCalls.again(Self.image(call: 230, si: 0, r10: 0x99)))
        #expect(Self.registers(relative)?[13] == 0x99)
        // Until a point in time (TIMER_ABSTIME) nothing is left to be asked for.
        let absolute = try #require(InterruptedCalls.again(Self.image(call: 230, si: 1, r10: 0x99)))
        #expect(Self.registers(absolute)?[13] == 0x22)
    }

    @Test func whatTheProgramWouldHaveSeenStays() {
        // pause and rt_sigsuspend return EINTR by what they are; getpid does not block.
        for call in [34, 130, 39, .max] as [UInt64] {
            #expect(InterruptedCalls.again(Self.image(call: call)) == nil)
        }
        // Another result, and one of a compat call.
        #expect(InterruptedCalls.again(Self.image(call: 0, result: 5)) == nil)
        #expect(InterruptedCalls.again(Self.image(call: 0, result: -Int64(EAGAIN))) == nil)
        #expect(InterruptedCalls.again(Self.image(call: 0, mode: 2)) == nil)
        #expect(InterruptedCalls.again(Self.image(call: 0, mode: nil)) != nil)
    }

    @Test(arguments: [false, true])
    func aSignalThatHasComeInterrupts(ofProcess: Bool) {
        func again(_ signals: [UInt8], blocked: UInt64 = 0) -> Bool {
            InterruptedCalls.again(
                Self.image(call: 232, blocked: blocked, signals: signals, ofProcess: ofProcess)) != nil
        }
        #expect(again([]))
        #expect(!again([10]))
        // SIGUSR1 is 10, SIGRTMAX 64.
        #expect(again([10], blocked: 1 << 9))
        #expect(!again([10, 12], blocked: 1 << 9))
        #expect(again([64], blocked: 1 << 63))
        #expect(!again([64], blocked: ~(1 << 63)))
        // No number of a signal: nothing is known of it.
        #expect(!again([0], blocked: .max) && !again([65], blocked: .max))
    }

    @Test func bytesThatAreNoImage() {
        let good = Self.image(call: 35, si: 0x99)
        for count in 0..<good.count { #expect(InterruptedCalls.again(Array(good[..<count])) == nil) }
        #expect(InterruptedCalls.again(good + [0]) == nil)
        var changed = 0
        let waiting = Self.image(call: 232, signals: [10])
        hostileMessages(from: [good, waiting], count: 20_000, seed: 7) { bytes in
            guard let again = InterruptedCalls.again(bytes) else { return }
            changed += 1
            #expect(Self.registers(again) != nil)
        }
        #expect(changed > 100)
    }

    @Test func imagesOfAFolder() throws {
        func bytes(_ path: String) throws -> [UInt8]? { try FileDescriptor.open(path, O_RDONLY).bytes }
        try withTemporaryFolder { folder in
            let (image, other) = (Self.image(call: 232), Self.image(call: 34))
            for (name, bytes) in [
                ("core-7.img", image), ("core-8.img", other), ("core-9.bin", image), ("mm-7.img", image),
            ] {
                try FileDescriptor.open("\(folder)/\(name)", O_WRONLY | O_CREAT, mode: 0o600).writeAll(bytes)
            }
            #expect(try InterruptedCalls.renew(in: folder) == 1)
            #expect(try bytes("\(folder)/core-7.img") == InterruptedCalls.again(image))
            #expect(try bytes("\(folder)/core-8.img") == other)
            #expect(try bytes("\(folder)/core-9.bin") == image)
            #expect(try bytes("\(folder)/mm-7.img") == image)
            #expect(try InterruptedCalls.renew(in: folder) == 0)
            #expect(throws: MoveError.self) { try InterruptedCalls.renew(in: folder + "/none") }
        }
    }
}

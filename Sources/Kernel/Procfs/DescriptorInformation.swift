/// What /proc/PID/fdinfo/N tells of any descriptor: the same for a file, a socket and a pipe.
public struct DescriptorInformation: Equatable, Sendable {
    /// Open flags, as for open(2).
    public var flags: Int32
    /// Identity of the mount, as the first field of mountinfo; 0 if it was not reported.
    public var mount: UInt64

    /// Reads lines `flags:` (octal) and `mnt_id:`; `nil` without flags.
    public init?(parsing bytes: [UInt8]) {
        var flags: Int32?
        var mount: UInt64 = 0
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            if flags == nil, line.starts(with: "flags:".utf8) {
                flags = Int32(Self.value(line.dropFirst(6)), radix: 8)
            } else if mount == 0, line.starts(with: "mnt_id:".utf8) {
                mount = UInt64(Self.value(line.dropFirst(7))) ?? 0
            }
        }
        guard let flags else { return nil }
        self.flags = flags
        self.mount = mount
    }

    private static func value(_ text: ArraySlice<UInt8>) -> String {
        String(decoding: text.drop { $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: " ") }, as: UTF8.self)
    }
}

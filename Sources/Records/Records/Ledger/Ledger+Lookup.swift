extension TextTree {
    /// The number of a text if it was met; nothing is added.
    public func find(_ text: [UInt8]) -> TextID? {
        text.withUnsafeBytes { bytes in
            var folder = TextID.none
            var start = 0
            while true {
                let end = bytes[start...].firstIndex(of: UInt8(ascii: "/")) ?? bytes.count
                guard let found = find(UnsafeRawBufferPointer(rebasing: bytes[start..<end]), in: folder)
                else { return nil }
                if end == bytes.count { return found }
                folder = found
                start = end + 1
            }
        }
    }
}

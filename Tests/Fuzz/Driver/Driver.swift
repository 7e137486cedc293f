// libFuzzer on one target: `fuzz NAME` and its own options; `fuzz --seeds FOLDER` writes what every target begins with.

import FuzzTargets
import Glibc

@_silgen_name("LLVMFuzzerRunDriver")
func runFuzzer(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
    _ test: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

nonisolated(unsafe) private var target: FuzzTarget?

private func write(_ bytes: [UInt8], to path: String) {
    guard let file = fopen(path, "wb") else { fatalError("can't write \(path)") }
    fwrite(bytes, 1, bytes.count, file)
    fclose(file)
}

private func writeSeeds(to folder: String) {
    mkdir(folder, 0o755)
    for target in FuzzTarget.all {
        mkdir("\(folder)/\(target.name)", 0o755)
        for (index, seed) in target.seeds().enumerated() { write(seed, to: "\(folder)/\(target.name)/seed-\(index)") }
        print(target.name)
    }
}

/// SwiftPM calls an executable's entry by the name of its module.
@_cdecl("fuzz_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> CInt {
    guard count >= 2, let first = arguments[1] else { return 2 }
    let name = String(cString: first)
    if name == "--seeds", count == 3, let folder = arguments[2] {
        writeSeeds(to: String(cString: folder))
        return 0
    }
    guard let found = FuzzTarget.all.first(where: { $0.name == name }) else {
        print("there is no target \(name)")
        return 2
    }
    target = found
    // libFuzzer's own options begin behind the name.
    arguments[1] = arguments[0]
    var rest = count - 1
    var list: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = arguments + 1
    return withUnsafeMutablePointer(to: &list) { list in
        list.withMemoryRebound(to: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?.self, capacity: 1) { list in
            runFuzzer(&rest, list) { bytes, length in
                target?.run(UnsafeRawBufferPointer(start: bytes, count: length))
                return 0
            }
        }
    }
}

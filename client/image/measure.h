#pragma once
// What the hypervisor will measure of an image, computed without one.
// Source: AWS, "Enclave Image File (EIF) Specification" and aws-nitro-enclaves-image-format,
// src/utils/mod.rs, get_pcrs().

#include "client/image/enclave_image.h"
#include "common/cose/attestation_document.h"

namespace ephemeralml::image {

/// PCR0 (kernel, command line, all ramdisks), PCR1 (kernel, command line, first ramdisk) and PCR2
/// (the other ramdisks), each in the file's order.
cose::PcrBank MeasureContents(const EnclaveImage& image);

/// A register that was zero and was extended by one measurement of `contents`: PCR8 for a signing
/// certificate's DER.
cose::Pcr Measure(const std::vector<ByteSpan>& contents);

}  // namespace ephemeralml::image

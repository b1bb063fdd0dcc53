import * as ort from "onnxruntime-web";

const session = await ort.InferenceSession.create({file});
{examples}
const { value } = await session.run({ {input}: examples });
console.log(value.data[0]);
